//! The arrows between the crates: who may know whom. Read from the sources and manifests.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod sources;

use std::collections::BTreeSet;

use sources::{sources, workspace};

/// Each crate's folder, and the crates that its own code may name.
const ARROWS: [(&str, &[&str]); 6] = [
    ("identity", &[]),
    ("dns-zone", &["iot-identity"]),
    ("epp-api", &["iot-identity"]),
    ("verifier", &["iot-identity"]),
    ("device", &["iot-verifier", "iot-epp-api", "iot-identity"]),
    (
        "registry",
        &[
            "iot-epp-api",
            "iot-dns-zone",
            "iot-identity",
            "iot-verifier",
            "iot-device",
        ],
    ),
];
/// The parts of the registry that may know verifier and device.
const PLAYS_ALL_PARTS: [&str; 2] = ["demo", "console"];

fn manifest(folder: &str) -> toml::Table {
    let text = std::fs::read_to_string(workspace().join(folder).join("Cargo.toml")).unwrap();
    text.parse().unwrap()
}

/// Our own crates in one table of dependencies.
fn own_crates(manifest: &toml::Table, table: &str) -> BTreeSet<String> {
    let dependencies = manifest.get(table).and_then(toml::Value::as_table);
    let names = dependencies.into_iter().flat_map(toml::Table::keys);
    names
        .filter(|name| name.starts_with("iot-"))
        .cloned()
        .collect()
}

#[test]
fn every_member_of_the_workspace_has_its_arrows() {
    let manifest = manifest("");
    let members = manifest["workspace"]["members"].as_array().unwrap();
    let members = members.iter().map(|member| member.as_str().unwrap());
    // What measures and tries the whole from outside may know everybody; nobody knows it.
    let members: BTreeSet<&str> = members
        .filter(|member| !member.starts_with("deploy/"))
        .collect();
    let known: BTreeSet<&str> = ARROWS.iter().map(|(folder, _)| *folder).collect();
    assert_eq!(members, known);
}

#[test]
fn manifests_name_only_crates_that_the_arrows_allow() {
    for (folder, allowed) in ARROWS {
        let manifest = manifest(folder);
        let itself = manifest["package"]["name"].as_str().unwrap().to_owned();
        let allowed: BTreeSet<String> = allowed.iter().map(|&name| name.to_owned()).collect();
        for table in ["dependencies", "build-dependencies"] {
            let found = own_crates(&manifest, table);
            let beyond: Vec<_> = found.difference(&allowed).collect();
            assert!(beyond.is_empty(), "{folder}, {table}: {beyond:?}");
        }
        assert!(
            !manifest.contains_key("target"),
            "{folder}: dependencies of a platform"
        );
        // Tests see no more than the code; end-to-end tests live in the registry.
        let mut in_tests = own_crates(&manifest, "dev-dependencies");
        in_tests.remove(&itself);
        let beyond: Vec<_> = in_tests.difference(&allowed).collect();
        assert!(beyond.is_empty(), "{folder}, dev-dependencies: {beyond:?}");
    }
}

#[test]
fn sources_name_only_crates_that_the_arrows_allow() {
    let names: Vec<String> = ARROWS
        .iter()
        .map(|(folder, _)| format!("iot_{}", folder.replace('-', "_")))
        .collect();
    for (folder, allowed) in ARROWS {
        let itself = format!("iot_{}", folder.replace('-', "_"));
        let allowed: Vec<String> = allowed.iter().map(|name| name.replace('-', "_")).collect();
        for path in sources(&workspace().join(folder).join("src")) {
            let text = std::fs::read_to_string(&path).unwrap();
            for name in names
                .iter()
                .filter(|name| **name != itself && !allowed.contains(name))
            {
                assert!(
                    !text.contains(&format!("{name}::")),
                    "{} names {name}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn only_the_parts_that_play_everybody_know_verifier_and_device() {
    let root = workspace().join("registry").join("src");
    let mut players = 0;
    for path in sources(&root) {
        let first = path
            .strip_prefix(&root)
            .unwrap()
            .iter()
            .next()
            .unwrap()
            .to_str()
            .unwrap();
        let part = first.trim_end_matches(".rs");
        let text = std::fs::read_to_string(&path).unwrap();
        let knows = text.contains("iot_verifier") || text.contains("iot_device");
        if PLAYS_ALL_PARTS.contains(&part) {
            players += usize::from(knows);
        } else {
            assert!(
                !knows,
                "{} names the verifier or the device",
                path.display()
            );
        }
    }
    assert!(players > 0, "the demonstration plays verifier and device");
}

#[test]
fn device_uses_the_client_without_the_server() {
    let workspace_manifest = manifest("");
    let api = &workspace_manifest["workspace"]["dependencies"]["iot-epp-api"];
    assert_eq!(api["default-features"].as_bool(), Some(false));
    let device = manifest("device");
    let Some(api) = device["dependencies"].get("iot-epp-api") else {
        return; // it does not use it at all
    };
    let features = api.get("features").and_then(toml::Value::as_array);
    let has_server = features.is_some_and(|features| {
        features
            .iter()
            .any(|feature| matches!(feature.as_str(), Some("server" | "default")))
    });
    assert!(!has_server, "the device needs no listener");
}

#[test]
fn no_crate_may_be_published_by_accident() {
    for (folder, _) in ARROWS {
        let publish = &manifest(folder)["package"]["publish"];
        let inherited = publish.get("workspace").and_then(toml::Value::as_bool) == Some(true);
        assert!(inherited || publish.as_bool() == Some(false), "{folder}");
    }
    assert_eq!(
        manifest("")["workspace"]["package"]["publish"].as_bool(),
        Some(false)
    );
}
