use fireseal::Sealable;

macro_rules! documents {
    ($($name:ident: $collection:literal,)*) => {
        $(
            #[derive(Sealable)]
            #[sealable(collection = $collection)]
            struct $name {
                #[sealable(id)]
                id: String,
                #[sensitive]
                ssn: String,
            }
        )*
    };
}

documents! {
    A: "",
    B: "customers/ada",
    C: "/customers/",
    D: "a/../c",
    E: "__reserved__",
    F: "nul\0",
}

fn main() {}
