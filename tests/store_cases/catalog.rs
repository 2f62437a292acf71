//! SLOs, ledger keys, revisions and facts.

use nines::domain::counts::MICRO;
use nines::domain::labels::Group;
use nines::domain::time::Timestamp;
use nines::engine::ports::{
    CatalogStore, LedgerStore, LoadedSlo, RetainStore, RevisionRecord, StoreError, TargetCommit,
};

use crate::support::store::{Fixture, NOW, credit, loaded};

const LATER: Timestamp = Timestamp(NOW.0 + 60_000);

pub async fn slos_keep_their_number_through_rename_removal_and_return(f: Fixture) {
    let first = [loaded("a", &[], "v1"), loaded("b", &[], "v1")];
    let records = f.store.sync_slos(f.epoch, &first, NOW).await.expect("known");
    let target = f.targets(1).await[0];
    let mut visit = TargetCommit {
        target,
        ..TargetCommit::default()
    };
    visit.slos = records.iter().map(|record| (record.id, Some(vec![7]))).collect();
    f.store.commit_visits(f.epoch, &[visit], NOW).await.expect("committed");

    // a is renamed to c; b names a loaded SLO as its past, which takes nothing from it; b is gone afterwards.
    let renamed = f
        .store
        .sync_slos(f.epoch, &[loaded("c", &["x", "a"], "v1")], LATER)
        .await
        .expect("known");
    assert_eq!((renamed[0].id, renamed[0].indicator_loaded_at), (records[0].id, NOW));
    let cursors = f.store.load_cursors(&[target]).await.expect("cursors");
    assert_eq!(cursors[0].slos.keys().copied().collect::<Vec<_>>(), [records[0].id]);
    assert_eq!(f.store.load_slos().await.expect("SLOs"), renamed);

    let back = [loaded("b", &["c"], "v1"), loaded("c", &[], "v1")];
    let back = f.store.sync_slos(f.epoch, &back, LATER).await.expect("known");
    assert_eq!((back[0].id, back[1].id), (records[1].id, records[0].id));
    let since = (back[0].indicator_loaded_at, back[1].indicator_loaded_at);
    assert_eq!(since, (LATER, NOW), "what happened while it was away is not counted");
}

pub async fn a_changed_indicator_is_loaded_anew(f: Fixture) {
    let old = f
        .store
        .sync_slos(f.epoch, &[loaded("a", &[], "v1")], NOW)
        .await
        .expect("known");
    let same = f
        .store
        .sync_slos(f.epoch, &[loaded("a", &[], "v1")], LATER)
        .await
        .expect("known");
    let new = f
        .store
        .sync_slos(f.epoch, &[loaded("a", &[], "v2")], LATER)
        .await
        .expect("known");
    assert_eq!(old, same);
    assert_eq!((new[0].id, new[0].indicator_loaded_at), (old[0].id, LATER));
    assert_eq!(f.store.load_slos().await.expect("SLOs"), new);
}

pub async fn a_changed_indicator_begins_a_new_generation_where_it_is_asked_for(f: Fixture) {
    let target = f.targets(1).await[0];
    let group = Some(Group(vec![("region".to_owned(), "eu".to_owned())]));
    let mut seen = Vec::new();
    for (indicator, begins_anew, generation) in [
        ("v1", true, 1),
        ("v1", true, 1),
        ("v2", false, 1),
        ("v3", true, 2),
        ("v3", false, 2),
    ] {
        let slo = LoadedSlo {
            begins_anew,
            ..loaded("a", &[], indicator)
        };
        let slos = [slo, loaded("b", &[], indicator)];
        let records = f.store.sync_slos(f.epoch, &slos, NOW).await.expect("known");
        assert_eq!(
            (records[0].generation, records[1].generation),
            (generation, 1),
            "{indicator}"
        );
        assert_eq!(f.store.load_slos().await.expect("SLOs"), records);
        let wanted: Vec<_> = records
            .iter()
            .flat_map(|record| [(record.id, None), (record.id, group.clone())])
            .collect();
        let keys = f.store.ensure_keys(f.epoch, &wanted, LATER).await.expect("keys");
        let mut read = f.store.load_keys().await.expect("keys are read");
        read.sort_by_key(|key| keys.iter().position(|other| other.id == key.id));
        assert_eq!(read, keys, "the present generation, and no other");
        f.credit(target, keys.iter().map(|key| credit(key.id, 10, 3)).collect())
            .await;
        seen.push(keys);
    }
    assert_eq!(seen[0], seen[2]);
    assert_eq!((&seen[3], &seen[3][2..]), (&seen[4], &seen[0][2..]));
    assert!(
        seen[3][..2]
            .iter()
            .all(|new| seen[0].iter().all(|old| old.id != new.id))
    );
    let lifetimes = f
        .store
        .lifetimes(&[seen[0][0].id, seen[4][0].id])
        .await
        .expect("lifetimes");
    let events = |at: usize| lifetimes[at].1.total / MICRO;
    assert_eq!((events(0), events(1)), (9, 6), "what an older generation holds stays");
    f.store.pack(f.epoch, LATER, 100).await.expect("packed");
    assert_eq!(f.store.prove().await.expect("a proof"), 0);
    let unknown = f.store.ensure_keys(f.epoch, &[(i64::MAX, None)], LATER).await;
    assert!(matches!(unknown, Err(StoreError::Data(_))), "{unknown:?}");
}

pub async fn ledger_keys_are_found_again_with_hostile_labels(f: Fixture) {
    let slo = f
        .store
        .sync_slos(f.epoch, &[loaded("a", &[], "v1")], NOW)
        .await
        .expect("known")[0]
        .id;
    let group = |value: &str| Some(Group(vec![("region".to_owned(), value.to_owned())]));
    let long = "x".repeat(20_000);
    let wanted: Vec<_> = [
        None,
        group(""),
        group("eu"),
        group("a\0b"),
        group("a\u{fffd}b"),
        group("'\"\\"),
        group(&long),
    ]
    .into_iter()
    .map(|group| (slo, group))
    .collect();
    let made = f.store.ensure_keys(f.epoch, &wanted, NOW).await.expect("keys are made");
    let again = f
        .store
        .ensure_keys(f.epoch, &wanted, LATER)
        .await
        .expect("keys are found");
    assert_eq!(made, again);
    assert_eq!(f.store.load_keys().await.expect("keys are read").len(), wanted.len());
    let mut read = f.store.load_keys().await.expect("keys are read");
    read.sort_by_key(|key| wanted.iter().position(|(_, group)| *group == key.group));
    assert_eq!(read, made);
    f.store.sync_slos(f.epoch, &[], LATER).await.expect("all are removed");
    assert_eq!(f.store.load_keys().await.expect("keys are read"), []);
}

pub async fn revisions_and_facts_are_kept(f: Fixture) {
    let revision = |hash: &str| RevisionRecord {
        file: "slos/shop.yml".to_owned(),
        hash: hash.to_owned(),
        text: "version: 1".to_owned(),
        loaded_at: NOW,
    };
    for hash in ["aa", "bb"] {
        f.store.save_revisions(f.epoch, &[revision(hash)]).await.expect("kept");
    }
    assert_eq!(f.store.load_revisions().await.expect("read"), [revision("bb")]);
    assert_eq!(f.store.load_fact("tick").await.expect("read"), None);
    for value in ["1", "2\0"] {
        f.store.save_fact(f.epoch, "tick", value).await.expect("kept");
    }
    assert_eq!(
        f.store.load_fact("tick").await.expect("read").as_deref(),
        Some("2\u{fffd}")
    );
}
