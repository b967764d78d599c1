use fireseal::Sealable;

struct Opaque;

#[derive(Sealable)]
struct Clear {
    opaque: Opaque,
    #[sensitive]
    ssn: String,
}

fn main() {}
