use fireseal::Sealable;

#[derive(Sealable)]
struct Ranges {
    #[sensitive(range)]
    a: u32,
    #[sensitive(range(min = 0, max = 10))]
    b: u32,
    #[sensitive(range(min = 10, max = 10, step = 1))]
    c: u32,
    #[sensitive(range(min = 0, max = 10, step = 0))]
    d: u32,
    #[sensitive(range(min = 0, max = 10, step = 11))]
    e: u32,
    #[sensitive(range(min = 0, max = 9_000_000_000_000, step = 1))]
    f: u64,
    #[sensitive(range(min = "2020-01-01", max = "2021-13-01", step = "1d"))]
    g: String,
    #[sensitive(range(min = "2020-01-01", max = "2021-01-01", step = "1w"))]
    h: String,
    #[sensitive(range(min = 0, max = "1.00", step = "1e-2"))]
    i: f64,
    #[sensitive(range(min = 0, max = 10, step = 1, normalize(trim)))]
    j: u32,
    #[sensitive(range(min = 0, max = true, step = 1))]
    k: u32,
}

#[derive(Sealable)]
struct Texts {
    #[sensitive(index(bits = 7))]
    a: String,
    #[sensitive(unique(bits = 32))]
    b: String,
    #[sensitive(index(normalize(lower)))]
    c: String,
    #[sensitive(index(normalize(trim, trim)))]
    d: String,
    #[sensitive(index(normalize()))]
    e: String,
    #[sensitive(prefix)]
    f: String,
    #[sensitive(prefix(min = 0, max = 8))]
    g: String,
    #[sensitive(prefix(min = 9, max = 8))]
    h: String,
    #[sensitive(prefix(min = 2, max = 65))]
    i: String,
    #[sensitive(words(min = 2))]
    j: String,
    #[sensitive(index(bits = 8, bits = 9))]
    k: String,
    #[sensitive(index(bits = 129))]
    m: String,
    #[sensitive(sorted)]
    l: String,
}

fn main() {}
