use fireseal::Sealable;

#[derive(Sealable)]
struct Customer {
    name: String,
}

#[derive(Sealable)]
struct Unit;

#[derive(Sealable)]
enum Contact {
    Email(String),
    Nobody,
}

#[derive(Sealable)]
enum Never {}

fn main() {}
