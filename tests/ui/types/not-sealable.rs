use fireseal::Sealable;

struct Opaque;

fn seal<T: Sealable>() {}

fn seal_bytes<T: fireseal::RawBytes>() {}

fn main() {
    seal::<Opaque>();
    seal_bytes::<String>();
}
