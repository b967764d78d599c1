use fireseal::Sealable;

#[derive(Sealable)]
struct Customer {
    #[sealable(idd)]
    id: String,
    #[sealable(clear, skip = "yes")]
    name: String,
    #[sensitive(indexed)]
    ssn: String,
    #[sensitive(pad = 1)]
    short: String,
    #[sensitive(pad = 65537)]
    long: String,
    #[sensitive(pad = "64")]
    text: String,
    #[sensitive = "yes"]
    value: String,
    #[sensitive()]
    empty: String,
}

fn main() {}
