//! The Python that runs `tests/decoder/decode.py`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python that has libsodium and MessagePack; panics, saying what to do, where there is none.
pub fn python() -> PathBuf {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/decoder-venv/bin/python");
    let named = std::env::var_os("FIRESEAL_PYTHON").map(PathBuf::from);
    let candidates: Vec<_> = named.into_iter().chain([ours]).collect();
    let able = |python: &&PathBuf| {
        let imports = Command::new(python).args(["-c", "import nacl.bindings, msgpack"]).output();
        imports.is_ok_and(|output| output.status.success())
    };
    candidates.iter().find(able).cloned().unwrap_or_else(|| {
        panic!(
            "none of {candidates:?} is a Python with PyNaCl and msgpack. Run `python3 -m venv target/decoder-venv \
             && target/decoder-venv/bin/pip install -r tests/decoder/requirements.txt`, or name one in FIRESEAL_PYTHON"
        )
    })
}
