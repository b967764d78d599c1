use fireseal::Sealable;

#[derive(Sealable)]
struct Customer {
    #[sealable(nested)]
    #[serde(default = "made")]
    made: Address,
    #[sealable(nested)]
    #[serde(flatten)]
    flat: Option<Address>,
    #[sealable(nested)]
    #[serde(rename(serialize = "a", deserialize = "b"))]
    two_names: Address,
}

#[derive(Sealable, Default)]
#[serde(default)]
struct WholeDefault {
    #[sealable(nested)]
    address: Address,
    #[sealable(nested)]
    fine: Option<Address>,
}

#[derive(Sealable)]
struct Newtype(
    #[sealable(nested)]
    #[serde(skip)]
    Address,
);

#[derive(Sealable, Default)]
struct Address {
    #[sensitive]
    street: String,
}

fn main() {}
