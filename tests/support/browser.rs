//! Headless Chromium, which fails a test where it is missing.

#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

use zune_png::PngDecoder;
use zune_png::zune_core::bytestream::ZCursor;

/// What a page is loaded with.
pub struct Look {
    pub width: u32,
    pub height: u32,
    pub dark: bool,
}

/// A page in a file of its own, and a fresh profile for each load.
pub struct Page {
    folder: tempfile::TempDir,
}

impl Page {
    pub fn new(html: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("page.html"), html).unwrap();
        Self { folder }
    }

    fn load(&self, look: &Look, arguments: &[String]) -> std::process::Output {
        let profile = tempfile::tempdir().unwrap();
        let dark: &[&str] = if look.dark { &["--blink-settings=preferredColorScheme=0"] } else { &[] };
        let output = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--hide-scrollbars", "--force-device-scale-factor=1", "--disable-dev-shm-usage"])
            // Nothing has an address: a request that leaves would fail, and be told.
            .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--v=0"])
            .args(dark)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("--window-size={},{}", look.width, look.height))
            .args(arguments)
            .arg(format!("file://{}", self.folder.path().join("page.html").display()))
            .output()
            .expect("Chromium is needed: install the package `chromium`");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// The document after it was rendered, and what the browser's console and network log say.
    pub fn dom(&self, look: &Look, log: &Path) -> (String, String) {
        let output = self.load(look, &["--dump-dom".to_owned(), format!("--log-net-log={}", log.display())]);
        let console = String::from_utf8_lossy(&output.stderr).into_owned();
        (String::from_utf8(output.stdout).unwrap(), console)
    }

    /// A picture of the page.
    pub fn screenshot(&self, look: &Look, name: &str) -> Picture {
        let file = self.folder.path().join(name);
        self.load(look, &[format!("--screenshot={}", file.display())]);
        Picture::read(file)
    }
}

/// A picture, and its pixels.
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub file: PathBuf,
    pixels: Vec<u8>,
    channels: usize,
}

impl Picture {
    fn read(file: PathBuf) -> Self {
        let mut decoder = PngDecoder::new(ZCursor::new(std::fs::read(&file).unwrap()));
        let pixels = decoder.decode_raw().unwrap();
        let (width, height) = decoder.dimensions().unwrap();
        let channels = decoder.colorspace().unwrap().num_components();
        assert_eq!(pixels.len(), width * height * channels, "more than 8 bits in a channel");
        Self { width, height, file, pixels, channels }
    }

    /// How many pixels have about this colour.
    pub fn count(&self, [red, green, blue]: [u8; 3]) -> usize {
        let near = |one: u8, other: u8| one.abs_diff(other) <= 3;
        let is = |pixel: &&[u8]| near(pixel[0], red) && near(pixel[1], green) && near(pixel[2], blue);
        self.pixels.chunks_exact(self.channels).filter(is).count()
    }

    /// How many different colours there are, of a sample of the pixels.
    pub fn colours(&self) -> usize {
        let sample = self.pixels.chunks_exact(self.channels).step_by(7);
        sample.collect::<std::collections::HashSet<_>>().len()
    }
}
