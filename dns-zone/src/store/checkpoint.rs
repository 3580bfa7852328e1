//! Checkpoints, in a thread of their own: pages synced, then the superblock that needs them.
//!
//! A checkpoint holds its version until it is durable, so that no page of it is written again
//! meanwhile; it tells that it is durable before it lets the version go. The same thread zeroes the
//! next redo segment, so that no commit waits for either.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::disk::{Disk, DiskFile};
use super::redo::{self, Position, Spare};
use super::superblock::{self, Superblock};
use super::version::Version;

/// What the last durable checkpoint holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Durable {
    /// Number of the checkpoint.
    pub(super) checkpoint: u64,
    pub(super) zone_version: u64,
    pub(super) redo: Position,
}

impl Durable {
    pub(super) fn of(superblock: &Superblock) -> Self {
        Self {
            checkpoint: superblock.checkpoint,
            zone_version: superblock.record.zone_version,
            redo: superblock.redo,
        }
    }
}

#[derive(Debug)]
enum Job {
    Checkpoint {
        superblock: Box<Superblock>,
        version: Arc<Version>,
    },
    PrepareSegment(u64),
}

#[derive(Debug)]
struct Progress {
    durable: Durable,
    /// A checkpoint was asked for and is not durable yet.
    running: bool,
    /// What failed; from then on nothing is written.
    failed: Option<String>,
}

#[derive(Debug)]
struct Shared {
    progress: Mutex<Progress>,
    changed: Condvar,
    preparing: AtomicBool,
}

impl Shared {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, reason: &io::Error) {
        let mut progress = self.progress();
        progress.failed.get_or_insert_with(|| reason.to_string());
        progress.running = false;
        self.changed.notify_all();
    }
}

/// The thread and what it has reached; ends its thread when dropped.
#[derive(Debug)]
pub(super) struct Checkpointer {
    shared: Arc<Shared>,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub(super) fn start(
        disk: Arc<dyn Disk>,
        blocks: Arc<dyn DiskFile>,
        spare: Arc<Spare>,
        durable: Durable,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            progress: Mutex::new(Progress {
                durable,
                running: false,
                failed: None,
            }),
            changed: Condvar::new(),
            preparing: AtomicBool::new(false),
        });
        let (jobs, inbox) = channel();
        let worker = Worker {
            disk,
            blocks,
            spare,
            shared: Arc::clone(&shared),
        };
        let thread = Builder::new()
            .name("zone-checkpoint".into())
            .spawn(move || worker.run(&inbox))?;
        Ok(Self {
            shared,
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// What the last durable checkpoint holds; an error when one failed.
    pub(super) fn durable(&self) -> Result<Durable, String> {
        let progress = self.shared.progress();
        match &progress.failed {
            Some(reason) => Err(reason.clone()),
            None => Ok(progress.durable),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.shared.progress().running
    }

    /// Starts a checkpoint of a version; none may be running.
    pub(super) fn begin(&self, superblock: Superblock, version: Arc<Version>) {
        self.shared.progress().running = true;
        self.send(Job::Checkpoint {
            superblock: Box::new(superblock),
            version,
        });
    }

    /// Waits until no checkpoint is running.
    pub(super) fn wait(&self) -> Result<Durable, String> {
        let progress = self.shared.progress();
        let progress = self
            .shared
            .changed
            .wait_while(progress, |progress| progress.running)
            .unwrap_or_else(PoisonError::into_inner);
        match &progress.failed {
            Some(reason) => Err(reason.clone()),
            None => Ok(progress.durable),
        }
    }

    /// Has the next redo segment prepared.
    pub(super) fn prepare_segment(&self, octets: u64) {
        if !self.shared.preparing.swap(true, Ordering::AcqRel) {
            self.send(Job::PrepareSegment(octets));
        }
    }

    fn send(&self, job: Job) {
        let sent = self
            .jobs
            .as_ref()
            .is_some_and(|jobs| jobs.send(job).is_ok());
        if !sent {
            self.shared
                .fail(&io::Error::other("the thread of the checkpoints has ended"));
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was reported as the failure of the thread.
            let _ = thread.join();
        }
    }
}

/// Whether the disk or a quota is full: nothing was lost, and it may pass.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

struct Worker {
    disk: Arc<dyn Disk>,
    blocks: Arc<dyn DiskFile>,
    spare: Arc<Spare>,
    shared: Arc<Shared>,
}

impl Worker {
    fn run(&self, inbox: &Receiver<Job>) {
        for job in inbox {
            match job {
                Job::Checkpoint {
                    superblock,
                    version,
                } => {
                    if let Err(error) = self.checkpoint(&superblock) {
                        self.shared.fail(&error);
                    }
                    drop(version);
                }
                Job::PrepareSegment(octets) => {
                    self.prepare_segment(octets);
                    self.shared.preparing.store(false, Ordering::Release);
                }
            }
        }
    }

    fn prepare_segment(&self, octets: u64) {
        match redo::prepare_spare(&*self.disk, &self.spare, octets) {
            // The commit that needs the segment tries itself.
            Err(error) if is_full(&error) => {
                tracing::warn!(%error, "no room for the next redo segment");
            }
            Err(error) => self.shared.fail(&error),
            Ok(()) => {}
        }
    }

    fn checkpoint(&self, superblock: &Superblock) -> io::Result<()> {
        if let Some(reason) = &self.shared.progress().failed {
            return Err(io::Error::other(reason.clone()));
        }
        let page = superblock.encode();
        // Also what slot 1 got after the checkpoint before.
        self.blocks.sync_data()?;
        superblock::write(&*self.blocks, 0, &page)?;
        self.blocks.sync_data()?;
        let mirrored = superblock::write(&*self.blocks, 1, &page);
        let mut progress = self.shared.progress();
        progress.durable = Durable::of(superblock);
        progress.running = false;
        self.shared.changed.notify_all();
        mirrored
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared
                .fail(&io::Error::other("the thread of the checkpoints panicked"));
        }
    }
}
