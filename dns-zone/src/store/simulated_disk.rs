//! A disk that remembers what was not yet synced, and leaves what a power cut could leave.
//!
//! What programs see lies in a real directory (so that it can be mapped). Beside it, in memory, lies
//! for every file what is durable and, in order, what was done to it since its last sync; and the
//! same for the names in the directory. [`SimulatedDisk::cut`] builds a directory in which each
//! change that was not synced happened or not: writes sector by sector, some of them torn. A sync
//! that is made to fail behaves as on Linux: what it should have written is durable or lost, by
//! chance, and the next sync does not try again.

mod model;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, DiskFile, RealDisk, RealFile};
use super::power_cut::{Chance, Change, FileModel, NameChange, names_after_cut};
use model::{Faults, HOLE_OCTETS, Kind, Model, Step, pages_of, stopped};

/// A directory with a model of what a power cut leaves of it.
#[derive(Clone, Debug)]
pub struct SimulatedDisk {
    live: Arc<RealDisk>,
    model: Arc<Mutex<Model>>,
}

impl SimulatedDisk {
    /// Takes a directory, which is created when it is not there; what lies in it is durable.
    pub fn new(directory: &Path) -> io::Result<Self> {
        let live = RealDisk::new(directory)?;
        let (mut files, mut names) = (Vec::new(), BTreeMap::new());
        for name in live.list()? {
            let durable = fs::read(live.path(&name)?)?;
            names.insert(name, files.len());
            files.push(FileModel {
                room: durable.len() as u64,
                holes: BTreeSet::new(),
                durable,
                changes: Vec::new(),
            });
        }
        let model = Model {
            files,
            durable_names: names.clone(),
            names,
            name_changes: Vec::new(),
            faults: Faults::default(),
            operations: 0,
            punches: 0,
            chance: Chance(1),
        };
        Ok(Self {
            live: Arc::new(live),
            model: Arc::new(Mutex::new(model)),
        })
    }

    /// Operations that changed something or synced, until now.
    pub fn operations(&self) -> u64 {
        self.model().operations
    }

    /// How often room inside a file was given back, until now.
    pub fn punches(&self) -> u64 {
        self.model().punches
    }

    /// Stops the machine at the `n`th operation from now (1: the next one): that operation happens
    /// or not, and this one and all later ones report an error.
    pub fn stop_at(&self, n: u64) {
        self.model().faults.stop_at = Some(n);
    }

    /// Has the `n`th sync from now fail; what it loses depends on the seed.
    pub fn fail_sync_at(&self, n: u64, seed: u64) {
        let mut model = self.model();
        model.faults.fail_sync_at = Some(n);
        model.chance = Chance(seed);
    }

    /// Has the `n`th write from now fail after its first half.
    pub fn fail_write_at(&self, n: u64) {
        self.model().faults.fail_write_at = Some(n);
    }

    /// Has reading of these octets of a file fail from now on; no file of the name, no failure.
    pub fn fail_reads(&self, name: &str, octets: Range<u64>) {
        let mut model = self.model();
        if let Some(file) = model.names.get(name).copied() {
            model.faults.unreadable.push((file, octets));
        }
    }

    /// Leaves room for so many more octets; `None`: as many as wanted.
    pub fn leave_room(&self, octets: Option<u64>) {
        self.model().faults.room = octets;
    }

    /// Takes the faults away for the next process, which sees what the system's cache holds; `false`
    /// when the machine has stopped.
    pub fn mend(&self) -> bool {
        let mut model = self.model();
        if !model.faults.stopped {
            model.faults = Faults::default();
        }
        !model.faults.stopped
    }

    /// Cuts the power, and fills an empty or absent directory with what could be on the disk then.
    /// Equal seeds give equal outcomes.
    pub fn cut(&self, seed: u64, into: &Path) -> io::Result<()> {
        let mut model = self.model();
        model.faults.stopped = true;
        let mut chance = Chance(seed);
        let names = names_after_cut(&model.durable_names, &model.name_changes, &mut chance);
        let disk = RealDisk::new(into)?;
        for (name, file) in names {
            let content = model.files[file].after_cut(&mut chance);
            fs::write(disk.path(&name)?, content)?;
        }
        Ok(())
    }

    fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a change of names for real and notes it.
    fn change_names(
        &self,
        change: NameChange,
        really: impl FnOnce(&RealDisk) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut model = self.model();
        let step = model.step(Kind::Other);
        if step == Step::Happens {
            really(&self.live)?;
            change.apply(&mut model.names);
        }
        if step != Step::Stopped {
            model.name_changes.push(change);
        }
        step.result()
    }
}

impl Disk for SimulatedDisk {
    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let known = self.model().names.get(name).copied();
        let file = match known {
            Some(file) => file,
            None if !create => return Err(io::ErrorKind::NotFound.into()),
            None => {
                let file = {
                    let mut model = self.model();
                    model.files.push(FileModel::default());
                    model.files.len() - 1
                };
                let change = NameChange::Create(name.to_owned(), file);
                self.change_names(change, |live| live.open_file(name, true).map(drop))?;
                file
            }
        };
        if self.model().faults.stopped {
            return Err(stopped());
        }
        Ok(Arc::new(SimulatedFile {
            live: self.live.open_file(name, false)?,
            file,
            disk: self.clone(),
        }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.live.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let change = NameChange::Rename(from.to_owned(), to.to_owned());
        self.change_names(change, |live| live.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        if !self.model().names.contains_key(name) {
            return Ok(());
        }
        let change = NameChange::Remove(name.to_owned());
        self.change_names(change, |live| live.remove(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut guard = self.model();
        let step = guard.step(Kind::Sync);
        let model = &mut *guard;
        match step {
            Step::Happens => {
                model.durable_names = model.names.clone();
                model.name_changes.clear();
            }
            Step::Fails => {
                model.durable_names =
                    names_after_cut(&model.durable_names, &model.name_changes, &mut model.chance);
                model.name_changes.clear();
            }
            Step::Stops | Step::Stopped => {}
        }
        step.result()
    }
}

/// A file of a [`SimulatedDisk`].
#[derive(Debug)]
struct SimulatedFile {
    live: RealFile,
    file: usize,
    disk: SimulatedDisk,
}

impl DiskFile for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        self.live.length()
    }

    fn set_len(&self, octets: u64) -> io::Result<()> {
        let mut model = self.disk.model();
        let step = model.step(Kind::Other);
        let file = &mut model.files[self.file];
        if step == Step::Happens {
            self.live.set_len(octets)?;
            file.room = file.room.min(octets);
            // What is cut off is no hole when the file grows again.
            drop(file.holes.split_off(&octets.div_ceil(HOLE_OCTETS)));
        }
        step.note(file, Change::Length(octets))
    }

    fn reserve(&self, octets: u64) -> io::Result<()> {
        let mut model = self.disk.model();
        if octets <= self.live.length()? {
            return Ok(());
        }
        let step = model.step(Kind::Other);
        if step == Step::Happens {
            model.take_room(self.file, octets)?;
            self.live.set_len(octets)?;
        }
        step.note(&mut model.files[self.file], Change::Length(octets))
    }

    fn refill(&self, offset: u64, octets: u64) -> io::Result<()> {
        let mut model = self.disk.model();
        let step = model.step(Kind::Other);
        if step == Step::Happens {
            model.fill_holes(self.file, offset..offset + octets)?;
        }
        // Changes no octet.
        step.result()
    }

    fn holes(&self) -> io::Result<Vec<Range<u64>>> {
        let model = self.disk.model();
        let holes = model.files[self.file].holes.iter();
        Ok(holes
            .map(|page| page * HOLE_OCTETS..(page + 1) * HOLE_OCTETS)
            .collect())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let octets = offset..offset + buffer.len() as u64;
        self.disk.model().faults.read(self.file, &octets)?;
        self.live.read_at(buffer, offset)
    }

    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<()> {
        let mut model = self.disk.model();
        let step = model.step(Kind::Write);
        let written = match step {
            Step::Happens | Step::Stops => octets,
            Step::Fails => &octets[..octets.len() / 2],
            Step::Stopped => &[],
        };
        if matches!(step, Step::Happens | Step::Fails) {
            let end = offset + octets.len() as u64;
            model.fill_holes(self.file, offset..end)?;
            model.take_room(self.file, end)?;
            self.live.write_at(written, offset)?;
        }
        let change = Change::Write {
            offset,
            octets: written.to_vec(),
        };
        step.note(&mut model.files[self.file], change)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut guard = self.disk.model();
        let step = guard.step(Kind::Sync);
        let model = &mut *guard;
        let file = &mut model.files[self.file];
        match step {
            Step::Happens => file.settle(),
            Step::Fails => {
                file.durable = file.after_cut(&mut model.chance);
                file.changes.clear();
            }
            Step::Stops | Step::Stopped => {}
        }
        step.result()
    }

    fn punch(&self, offset: u64, octets: u64) -> io::Result<()> {
        let mut model = self.disk.model();
        let step = model.step(Kind::Other);
        if step == Step::Happens {
            self.live.punch(offset, octets)?;
            model.punches += 1;
            let pages = pages_of(&(offset..offset + octets));
            model.files[self.file].holes.extend(pages);
        }
        step.note(&mut model.files[self.file], Change::Zero { offset, octets })
    }

    fn will_need(&self, _offset: u64, _octets: u64) {}

    fn raw(&self) -> &File {
        self.live.raw()
    }
}
