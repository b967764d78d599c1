//! One emulator process, which lives no longer than this process.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::java::{Java, wanted_by_classes};
use crate::{Error, rest};

/// Java itself does not notice that its parent is gone; this shell does.
const SUPERVISOR: &str = include_str!("supervise.sh");
const MAIN_CLASS: &str = "com.google.cloud.datastore.emulator.firestore.CloudFirestore";
const READY_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(5);
const ATTEMPTS: usize = 5;
const LINES_KEPT: usize = 60;

/// A running emulator. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Process {
    supervisor: Child,
    output: Output,
}

impl Process {
    /// Starts an emulator on `port`, or on a free one, and waits until it answers. Returns it and its `host:port`.
    pub(crate) async fn start(java: &Java, jar: &Path, port: Option<u16>) -> Result<(Self, String), Error> {
        if let Some(port) = port {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|_| Error::PortTaken { port })?;
            return Self::start_on(java, jar, port).await;
        }
        let mut attempt = 1;
        loop {
            // Someone else may take the port between our picking it and the emulator's binding it.
            match Self::start_on(java, jar, free_port()?).await {
                Err(Error::PortTaken { .. }) if attempt < ATTEMPTS => attempt += 1,
                result => return result,
            }
        }
    }

    async fn start_on(java: &Java, jar: &Path, port: u16) -> Result<(Self, String), Error> {
        let host = format!("127.0.0.1:{port}");
        let mut supervisor = Command::new("/bin/sh")
            .args(["-c", SUPERVISOR, "fireseal-emulator"])
            .arg(&java.program)
            .args(["-Duser.language=en", "-cp"])
            .arg(jar)
            .args([MAIN_CLASS, "start", "--host=127.0.0.1"])
            .arg(format!("--port={port}"))
            .arg("--database-mode=firestore-native")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A group of its own: Ctrl-C at the terminal is for the tests, which may still need the emulator.
            .process_group(0)
            .spawn()
            .map_err(Error::io("the shell /bin/sh could not be started"))?;
        let output = Output::of(supervisor.stdout.take());
        let mut process = Self { supervisor, output };
        process.wait_until_ready(java, &host, port).await?;
        Ok((process, host))
    }

    async fn wait_until_ready(&mut self, java: &Java, host: &str, port: u16) -> Result<(), Error> {
        let started = Instant::now();
        while started.elapsed() < READY_WITHIN {
            if let Some(status) = self.exited()? {
                return Err(self.why(java, port, status));
            }
            // It prints its address once it has bound it. Without that line, whoever answers is another emulator.
            if self.output.contains(host) && rest::answers(host).await {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Err(Error::NotReady { seconds: READY_WITHIN.as_secs(), tail: self.output.tail() })
    }

    fn exited(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.supervisor.try_wait().map_err(Error::io("the emulator process could not be waited for"))
    }

    fn why(&mut self, java: &Java, port: u16, status: ExitStatus) -> Error {
        self.output.finish();
        let tail = self.output.tail();
        if tail.contains("BindException") || tail.contains("Address already in use") {
            return Error::PortTaken { port };
        }
        match wanted_by_classes(&tail) {
            Some(needed) => Error::JavaTooOld { needed, found: java.version },
            None => Error::Exited { status, tail },
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The supervisor takes the end of its input as the order to kill Java, and ends after it.
        drop(self.supervisor.stdin.take());
        let asked = Instant::now();
        while asked.elapsed() < STOP_WITHIN {
            if !matches!(self.supervisor.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn free_port() -> Result<u16, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(Error::io("no free port on 127.0.0.1"))
}

/// The last lines that the emulator printed, read by a thread so that its pipe never fills up.
#[derive(Debug)]
struct Output {
    lines: Arc<Mutex<VecDeque<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    fn of(stdout: Option<ChildStdout>) -> Self {
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&lines);
        let reader = stdout.map(|stdout| {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    if kept.len() == LINES_KEPT {
                        kept.pop_front();
                    }
                    kept.push_back(String::from_utf8_lossy(&line).into_owned());
                }
            })
        });
        Self { lines, reader }
    }

    /// Waits for the last line. Only for a process that has ended.
    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            // A reader that panicked has nothing more to tell.
            let _ = reader.join();
        }
    }

    fn contains(&self, text: &str) -> bool {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().any(|line| line.contains(text))
    }

    fn tail(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        Vec::from_iter(lines.iter().map(String::as_str)).join("\n")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Error, Java, Process};

    #[tokio::test]
    async fn another_emulator_that_took_the_port_is_not_mistaken_for_ours() {
        let java = Java::find().unwrap();
        let jar = crate::find::jar(&java).await.unwrap();
        let (_first, host) = Process::start(&java, &jar, None).await.unwrap();
        let port = host.split_once(':').unwrap().1.parse().unwrap();
        let error = Process::start_on(&java, &jar, port).await.unwrap_err();
        assert!(matches!(error, Error::PortTaken { .. }), "{error}");
    }
}
