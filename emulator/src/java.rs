//! Which Java runs here, and how old it is.

use std::path::PathBuf;
use std::process::Command;

use crate::Error;

/// A Java runtime that answered.
pub(crate) struct Java {
    /// A path, or `java` for the PATH to resolve.
    pub(crate) program: PathBuf,
    /// The major version: 8, 11, 17, 21...
    pub(crate) version: u32,
}

impl Java {
    /// Asks the runtime of `JAVA_HOME`, else the one on the PATH.
    pub(crate) fn find() -> Result<Self, Error> {
        let program = std::env::var_os("JAVA_HOME")
            .map(|home| PathBuf::from(home).join("bin/java"))
            .filter(|program| program.is_file())
            .unwrap_or_else(|| PathBuf::from("java"));
        // The launcher that macOS ships in place of a runtime exists but fails.
        let answer = Command::new(&program)
            .arg("-version")
            .output()
            .ok()
            .filter(|answer| answer.status.success())
            .ok_or(Error::NoJava)?;
        let version = major(&String::from_utf8_lossy(&answer.stderr)).ok_or(Error::NoJava)?;
        Ok(Self { program, version })
    }
}

/// The major version in what `java -version` prints: `openjdk version "17.0.15" 2025-04-15`.
fn major(answer: &str) -> Option<u32> {
    let version = answer.split('"').nth(1)?;
    // Up to Java 8 the major version is the second number: "1.8.0_412".
    let version = version.strip_prefix("1.").unwrap_or(version);
    let end = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version.get(..end)?.parse().ok()
}

/// The Java version that the classes want, if this output is about classes too new for the runtime.
pub(crate) fn wanted_by_classes(output: &str) -> Option<u32> {
    let (_, rest) = output.split_once("UnsupportedClassVersionError")?.1.split_once("class file version ")?;
    let number = rest.split('.').next()?;
    // Class files are numbered from 45 for Java 1.
    number.parse::<u32>().ok()?.checked_sub(44)
}

#[cfg(test)]
mod tests {
    use super::{major, wanted_by_classes};

    #[test]
    fn versions_of_every_era_are_read() {
        for (answer, version) in [
            ("openjdk version \"17.0.15\" 2025-04-15\n", 17),
            ("openjdk version \"21\" 2023-09-19\n", 21),
            ("java version \"1.8.0_412\"\n", 8),
            ("openjdk version \"22-ea\" 2024-03-19\n", 22),
            ("Picked up _JAVA_OPTIONS: -Xmx1g\nopenjdk version \"11.0.2\"\n", 11),
        ] {
            assert_eq!(major(answer), Some(version), "{answer}");
        }
        assert_eq!(major("no version here"), None);
    }

    #[test]
    fn the_class_file_version_tells_the_java_version() {
        let output = "java.lang.UnsupportedClassVersionError: A has been compiled by a more recent version of the \
                      Java Runtime (class file version 65.0), this version of the Java Runtime only recognizes \
                      class file versions up to 61.0";
        assert_eq!(wanted_by_classes(output), Some(21));
        assert_eq!(wanted_by_classes("class file version 65.0"), None);
    }
}
