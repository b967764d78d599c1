use fireseal::Sealable;

#[derive(Sealable)]
#[serde(rename_all = "camelCase")]
struct Customer {
    #[sensitive]
    user_name: String,
    #[serde(rename = "userName")]
    name: String,
    #[serde(alias = "userName", alias = "old")]
    other: String,
    #[sensitive]
    old: String,
    #[allow(non_snake_case)]
    userName: String,
}

#[derive(Sealable)]
#[serde(tag = "type")]
struct Tagged {
    #[sensitive]
    r#type: String,
}

#[derive(Sealable)]
#[serde(tag = "kind")]
enum Contact {
    Email {
        #[sensitive]
        kind: String,
    },
    #[serde(rename = "Email")]
    Phone {
        #[sensitive]
        number: String,
    },
}

fn main() {}
