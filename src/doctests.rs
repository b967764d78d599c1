//! Compiles the code of the README and of the guide, and runs what runs without an emulator.

#[doc = include_str!("../README.md")]
struct Readme;

#[doc = include_str!("../docs/guide/getting-started.md")]
struct GettingStarted;

#[doc = include_str!("../docs/guide/attributes.md")]
struct Attributes;

#[doc = include_str!("../docs/guide/reading-without-a-key.md")]
struct ReadingWithoutAKey;

#[doc = include_str!("../docs/guide/working-beside-the-firestore-crate.md")]
struct WorkingBesideTheFirestoreCrate;

#[doc = include_str!("../docs/guide/testing-your-code.md")]
struct TestingYourCode;

#[doc = include_str!("../docs/guide/tenants.md")]
struct Tenants;

#[doc = include_str!("../docs/guide/rotation.md")]
struct Rotation;

#[doc = include_str!("../docs/guide/index-rotation.md")]
struct IndexRotation;

#[doc = include_str!("../docs/guide/choosing-a-root.md")]
struct ChoosingARoot;

#[cfg(feature = "grpc")]
#[doc = include_str!("../docs/guide/services.md")]
struct Services;

#[cfg(feature = "nats")]
#[doc = include_str!("../docs/guide/streams.md")]
struct Streams;

#[cfg(feature = "age")]
#[doc = include_str!("../docs/guide/recovery.md")]
struct Recovery;

#[doc = include_str!("../docs/guide/incidents.md")]
struct Incidents;

#[doc = include_str!("../docs/guide/what-an-index-reveals.md")]
struct WhatAnIndexReveals;

#[doc = include_str!("../docs/guide/writes.md")]
struct Writes;

#[doc = include_str!("../docs/guide/queries.md")]
struct Queries;

#[doc = include_str!("../docs/guide/cookbook.md")]
struct Cookbook;

#[doc = include_str!("../docs/guide/watching.md")]
struct Watching;

#[doc = include_str!("../docs/guide/fluent-calls.md")]
struct FluentCalls;

#[doc = include_str!("../docs/guide/migrating.md")]
struct Migrating;

#[doc = include_str!("../docs/guide/firestore-indexes.md")]
struct FirestoreIndexes;

#[doc = include_str!("../docs/guide/document-seal.md")]
struct DocumentSeal;

#[doc = include_str!("../docs/guide/auditing.md")]
struct Auditing;

#[doc = include_str!("../docs/guide/program.md")]
struct Program;

#[doc = include_str!("../docs/guide/jobs-on-cloud-run-and-kubernetes.md")]
struct JobsOnCloudRunAndKubernetes;
