//! Which emulator jar to run: the one named, an installed one, or the pinned one.

use std::env;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::java::Java;

/// The oldest Java that any emulator still in use runs on.
const OLDEST_JAVA: u32 = 11;

/// Finds a jar that `java` can run. The order: `FIRESEAL_EMULATOR_JAR`, the Google Cloud SDK, the Firebase
/// CLI's cache, our own cache, a download.
pub(crate) async fn jar(java: &Java) -> Result<PathBuf, Error> {
    if java.version < OLDEST_JAVA {
        return Err(Error::JavaTooOld { needed: OLDEST_JAVA, found: java.version });
    }
    if let Some(jar) = env_path("FIRESEAL_EMULATOR_JAR") {
        return existing(jar);
    }
    if let Some(jar) = in_google_cloud_sdk().or_else(|| in_firebase_cache(java)) {
        return Ok(jar);
    }
    #[cfg(feature = "fetch")]
    return crate::fetch::pinned(java).await;
    #[cfg(not(feature = "fetch"))]
    Err(Error::NoEmulator)
}

/// `jar` itself, if it is there.
pub(crate) fn existing(jar: PathBuf) -> Result<PathBuf, Error> {
    if jar.is_file() { Ok(jar) } else { Err(Error::JarMissing { jar }) }
}

/// A variable that is set and not empty, as a path.
pub(crate) fn env_path(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn in_google_cloud_sdk() -> Option<PathBuf> {
    let home = env::home_dir().map(|home| home.join("google-cloud-sdk"));
    let usual = [
        "/usr/lib/google-cloud-sdk",
        "/opt/google-cloud-sdk",
        "/snap/google-cloud-cli/current",
        "/snap/google-cloud-sdk/current",
    ];
    env_path("CLOUDSDK_ROOT_DIR")
        .into_iter()
        .chain(root_of_gcloud())
        .chain(home)
        .chain(usual.map(PathBuf::from))
        .map(|root| root.join("platform/cloud-firestore-emulator/cloud-firestore-emulator.jar"))
        .find(|jar| jar.is_file())
}

/// The SDK that `gcloud` on the PATH belongs to: `ROOT/bin/gcloud`, seen through symbolic links.
fn root_of_gcloud() -> Option<PathBuf> {
    let program = env::split_paths(&env::var_os("PATH")?)
        .map(|directory| directory.join("gcloud"))
        .find(|program| program.is_file())?;
    Some(program.canonicalize().ok()?.parent()?.parent()?.to_owned())
}

/// The newest emulator that the Firebase CLI has downloaded and `java` can run.
fn in_firebase_cache(java: &Java) -> Option<PathBuf> {
    let directory = env_path("FIREBASE_EMULATORS_PATH")
        .or_else(|| Some(env::home_dir()?.join(".cache/firebase/emulators")))?;
    newest(&directory, java)
}

fn newest(directory: &Path, java: &Java) -> Option<PathBuf> {
    directory
        .read_dir()
        .ok()?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = version(entry.file_name().to_str()?)?;
            Some((version, entry.path()))
        })
        .filter(|(version, jar)| java_for(*version) <= java.version && jar.is_file())
        .max()
        .map(|(_, jar)| jar)
}

/// The version in a name such as `cloud-firestore-emulator-v1.19.8.jar`.
fn version(name: &str) -> Option<[u32; 3]> {
    let mut numbers = name
        .strip_prefix("cloud-firestore-emulator-v")?
        .strip_suffix(".jar")?
        .split('.')
        .map(|number| number.parse().ok());
    let version = [numbers.next()??, numbers.next()??, numbers.next()??];
    numbers.next().is_none().then_some(version)
}

/// The Java that an emulator version wants: those after 1.19 are built for 21.
fn java_for(version: [u32; 3]) -> u32 {
    if version < [1, 20, 0] { OLDEST_JAVA } else { 21 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Java, newest};

    #[test]
    fn the_newest_jar_that_the_java_runs_is_taken_from_the_firebase_cache() {
        let cache = tempfile::tempdir().unwrap();
        for name in [
            "cloud-firestore-emulator-v1.9.12.jar",
            "cloud-firestore-emulator-v1.19.8.jar",
            "cloud-firestore-emulator-v1.22.0.jar",
            "cloud-firestore-emulator-v1.23.0.jar.part",
            "firebase-database-emulator-v4.11.2.jar",
        ] {
            std::fs::write(cache.path().join(name), "").unwrap();
        }
        let with_java = |version| {
            let java = Java { program: "java".into(), version };
            let jar = newest(cache.path(), &java).unwrap();
            jar.file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(with_java(17), "cloud-firestore-emulator-v1.19.8.jar");
        assert_eq!(with_java(21), "cloud-firestore-emulator-v1.22.0.jar");
    }
}
