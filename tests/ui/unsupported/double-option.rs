use fireseal::Sealable;
use std::collections::HashMap;

#[derive(Sealable)]
struct Customer {
    #[sensitive]
    one: Option<Option<String>>,
    #[sensitive]
    inner: HashMap<String, Vec<(u8, std::option::Option<Option<u8>>)>>,
    #[sensitive]
    unit: Option<()>,
    #[sensitive]
    #[serde(with = "own_encoding")]
    fine: Option<Option<String>>,
}

fn main() {}
