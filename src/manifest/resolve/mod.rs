//! From parsed files to `Desired`: every document read, every reference followed, every problem
//! reported.
//!
//! Reads no file and no clock; secrets come through `secret_source`.

pub(crate) mod family;

mod camera;
mod envelope;
mod recording;
mod server;
mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use self::envelope::Read;
use super::document::{ParsedFile, Report, SourceText};
use super::nearest::nearest;
use super::problem::{Problem, ProblemKind, quote};
use super::schema::address::Cidr;
use super::schema::camera::{CameraFields, FamilyFields, SubnetFields};
use super::schema::recording::{DetectorFields, NotifierFields, RetentionFields};
use super::schema::server::ServerFields;
use super::schema::{Kind, Label};
use super::secret_source::SecretReader;
use super::tree::Fault;
use crate::model::desired::Desired;
use crate::model::names::{CameraName, FamilyName, NotifierName, SubnetName};

/// What came of a set of texts.
pub(crate) struct Resolved {
    /// The set, unless something is wrong with it. Generation 0, not in force.
    pub(crate) desired: Option<Desired>,
    /// Everything found, errors and warnings, in order of place.
    pub(crate) problems: Vec<Problem>,
    /// Files that secrets were read from.
    pub(crate) secret_files: Vec<PathBuf>,
}

/// The documents of a set, by kind.
#[derive(Default)]
struct Documents<'f> {
    servers: Vec<Read<'f, ServerFields>>,
    families: Vec<Read<'f, FamilyFields>>,
    subnets: Vec<Read<'f, SubnetFields>>,
    cameras: Vec<Read<'f, CameraFields>>,
    detectors: Vec<Read<'f, DetectorFields>>,
    notifiers: Vec<Read<'f, NotifierFields>>,
    retentions: Vec<Read<'f, RetentionFields>>,
}

/// What references may point to: names and what is needed to check them.
struct Known<'d> {
    subnets: BTreeMap<&'d str, Option<Cidr>>,
    families: Vec<String>,
    detectors: Vec<String>,
    cameras: Vec<&'d str>,
}

/// Where problems and secrets of a pass are gathered.
struct Pass {
    report: Report,
    secrets: SecretReader,
}

/// Resolves a set of texts below `directory`; `early` are problems found before.
pub(crate) fn resolve(directory: &Path, texts: &[SourceText], early: Vec<Problem>) -> Resolved {
    let mut pass = Pass { report: Report::default(), secrets: SecretReader::default() };
    for problem in early {
        pass.report.add(problem);
    }
    let mut files: Vec<ParsedFile<'_>> =
        texts.iter().map(|text| ParsedFile::new(directory, text)).collect();
    for file in &mut files {
        for fault in file.take_faults() {
            pass.report.fault(file, fault);
        }
    }
    let mut documents = Documents::default();
    for file in &files {
        for tree in &file.trees {
            documents.add(file, tree, &mut pass.report);
        }
    }
    documents.check_unique(&mut pass.report);
    let desired = documents.resolve(&mut pass);
    let problems = pass.report.finish();
    let secret_files = pass.secrets.into_files();
    let valid = !problems.iter().any(Problem::is_error);
    Resolved { desired: desired.filter(|_| valid), problems, secret_files }
}

impl<'f> Documents<'f> {
    fn add(&mut self, file: &'f ParsedFile<'f>, tree: &'f super::tree::Tree, report: &mut Report) {
        let Some(doc) = envelope::open(file, tree, report) else { return };
        match doc.kind {
            Kind::Server => self.servers.extend(envelope::read(doc, report)),
            Kind::CameraFamily => self.families.extend(envelope::read(doc, report)),
            Kind::Subnet => self.subnets.extend(envelope::read(doc, report)),
            Kind::Camera => self.cameras.extend(envelope::read(doc, report)),
            Kind::Detector => self.detectors.extend(envelope::read(doc, report)),
            Kind::Notifier => self.notifiers.extend(envelope::read(doc, report)),
            Kind::Retention => self.retentions.extend(envelope::read(doc, report)),
        }
    }

    fn check_unique(&mut self, report: &mut Report) {
        envelope::keep_only(&mut self.servers, report);
        envelope::keep_only(&mut self.retentions, report);
        envelope::keep_first(&mut self.families, report);
        envelope::keep_first(&mut self.subnets, report);
        envelope::keep_first(&mut self.cameras, report);
        envelope::keep_first(&mut self.detectors, report);
        envelope::keep_first(&mut self.notifiers, report);
    }

    fn resolve(&self, pass: &mut Pass) -> Option<Desired> {
        let mut families = family::built_in_families();
        for read in &self.families {
            if let Some(name) = read.name().and_then(|name| FamilyName::parse(name).ok()) {
                families.insert(name, family::family(&read.spec));
            }
        }
        let mut detectors = family::built_in_detectors();
        for read in &self.detectors {
            recording::detector(read, &mut detectors, pass);
        }
        let mut subnets = BTreeMap::new();
        for read in &self.subnets {
            if let Some(subnet) = camera::subnet(read, pass) {
                subnets.insert(subnet.name.clone(), Arc::new(subnet));
            }
        }
        let known = Known {
            subnets: names_of(&self.subnets).map(|(name, read)| (name, read.spec.cidr)).collect(),
            families: families.keys().map(ToString::to_string).collect(),
            detectors: names_of(&self.detectors)
                .map(|(name, _)| name.to_owned())
                .chain(["motion".to_owned(), "none".to_owned()])
                .collect(),
            cameras: names_of(&self.cameras).map(|(name, _)| name).collect(),
        };
        let mut cameras = BTreeMap::new();
        for read in &self.cameras {
            if let Some(camera) = camera::camera(read, &known, &families, pass) {
                cameras.insert(camera.name.clone(), Arc::new(camera));
            }
        }
        let mut notifiers = BTreeMap::new();
        for read in &self.notifiers {
            let name = read.name().and_then(|name| NotifierName::parse(name).ok());
            if let (Some(notifier), Some(name)) = (recording::notifier(read, &known, pass), name) {
                notifiers.insert(name, Arc::new(notifier));
            }
        }
        let server = server::server(self.servers.first(), pass);
        if server.as_ref().is_some_and(|server| !server.gateway.is_declared()) {
            for read in &self.cameras {
                camera::check_without_gateway(read, pass);
            }
        }
        let devices = family::devices(&cameras, &families);
        Some(Desired {
            generation: 0,
            digest: "".into(),
            revision: None,
            applied_at: Timestamp::UNIX_EPOCH,
            server: Arc::new(server?),
            cameras,
            subnets,
            families,
            detectors,
            notifiers,
            retention: recording::retention(self.retentions.first()),
            devices,
        })
    }
}

fn names_of<'d, S>(reads: &'d [Read<'_, S>]) -> impl Iterator<Item = (&'d str, &'d Read<'d, S>)>
where
    S: 'd,
{
    reads.iter().filter_map(|read| read.name().map(|name| (name, read)))
}

/// Reports a reference to something that does not exist; `true` when it does.
fn check_reference<'n>(
    place: (&super::document::Doc<'_>, &[&str]),
    what: Kind,
    name: &Label,
    known: impl Iterator<Item = &'n str> + Clone,
    report: &mut Report,
) -> bool {
    let (doc, path) = place;
    if known.clone().any(|known| known == name.0) {
        return true;
    }
    let help = match nearest(&name.0, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("declare a {what} of this name{}", listed(known)),
    };
    let message = format!("no {what} is called {}", quote(&name.0));
    let fault: Fault = doc.fault(path, ProblemKind::Dangling, message);
    report.fault(doc.file, fault.help(help));
    false
}

/// A few of the names that exist, as the rest of a sentence.
fn listed<'n>(known: impl Iterator<Item = &'n str>) -> String {
    const SHOWN_MAX: usize = 12;
    let mut names: Vec<&str> = known.take(SHOWN_MAX + 1).collect();
    if names.is_empty() {
        return String::new();
    }
    let more = if names.len() > SHOWN_MAX { ", ..." } else { "" };
    names.truncate(SHOWN_MAX);
    format!(", or use one of {}{more}", names.join(", "))
}

/// A name that has already been checked, as the type of its kind.
fn camera_names(labels: &[Label]) -> Vec<CameraName> {
    labels.iter().filter_map(|label| CameraName::parse(&label.0).ok()).collect()
}

fn subnet_name(label: &Label) -> Option<SubnetName> {
    SubnetName::parse(&label.0).ok()
}
