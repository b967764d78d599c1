//! Pausing and stopping a job that runs.

use tokio::sync::watch;

/// What the holder of a handle wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Run,
    Pause,
    Stop,
}

/// Pauses, resumes and stops a job from elsewhere: a signal handler, a request.
#[derive(Debug, Clone)]
pub struct JobHandle {
    wish: watch::Sender<Wish>,
}

impl JobHandle {
    pub(super) fn new() -> Self {
        Self { wish: watch::Sender::new(Wish::Run) }
    }

    /// Lets the job rest after the pages in hand, checkpoints written. It keeps the parts that it holds.
    pub fn pause(&self) {
        self.change(Wish::Run, Wish::Pause);
    }

    /// Lets a paused job go on.
    pub fn resume(&self) {
        self.change(Wish::Pause, Wish::Run);
    }

    /// Ends the job after the pages in hand, checkpoints written and parts given back. There is no way
    /// back: run the job again to go on.
    pub fn stop(&self) {
        self.wish.send_replace(Wish::Stop);
    }

    fn change(&self, from: Wish, to: Wish) {
        self.wish.send_if_modified(|wish| {
            let changes = *wish == from;
            if changes {
                *wish = to;
            }
            changes
        });
    }

    pub(super) fn wish(&self) -> Wish {
        *self.wish.borrow()
    }

    /// Waits until the wish is this one no more.
    pub(super) async fn while_it_is(&self, wish: Wish) {
        let mut changes = self.wish.subscribe();
        // The sender lives as long as this handle.
        let _ = changes.wait_for(|now| *now != wish).await;
    }
}
