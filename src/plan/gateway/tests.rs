//! Tables and properties of what is decided about one gateway.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{
    Decision, Ghost, GhostWatch, Phase, Reason, StreamStep, Supervision, Wanted, reconcile,
};
use crate::model::gateway::{
    Agent, ConsumerView, Owner, ProducerView, RunEnd, StreamName, StreamView,
};
use crate::model::lease::Quality;
use crate::model::names::CameraName;
use crate::model::time::Mono;

fn owner() -> Owner {
    Owner::of("inst")
}

fn name(camera: &str) -> StreamName {
    owner().stream(&CameraName::parse(camera).unwrap(), Quality::Sub, 0)
}

fn stream(
    camera: &str,
    session: Option<(u64, u64)>,
    consumers: &[(u64, &Agent, u64)],
) -> StreamView {
    let (id, bytes_received) = session.unzip();
    let consumer = |(id, agent, bytes_sent): &(u64, &Agent, u64)| ConsumerView {
        id: Some(*id),
        agent: Some(agent.as_str().into()),
        format: Some("mse/fmp4".into()),
        bytes_sent: *bytes_sent,
    };
    StreamView {
        name: name(camera).shared(),
        producers: vec![ProducerView {
            id,
            url: None,
            bytes_received: bytes_received.unwrap_or(0),
        }],
        consumers: consumers.iter().map(consumer).collect(),
    }
}

/// A gateway that is up since `at`.
fn up(supervision: &mut Supervision, at: u64) {
    supervision.started(Mono(at));
    supervision.looked(Mono(at), true, Mono(at));
    assert_eq!(supervision.phase(), Phase::Up { since: Mono(at) });
}

#[test]
fn a_good_run_is_followed_at_once_and_bad_ones_ever_later() {
    let mut it = Supervision::default();
    assert_eq!(it.decide(true, None, Mono(5)), Decision::Start);
    up(&mut it, 1_000);
    it.ended(RunEnd::ByItself, Mono(9_000));
    assert_eq!(it.decide(true, None, Mono(9_000)), Decision::Start);
    let mut now = 9_000;
    for wait in [1_000, 2_000, 4_000, 8_000] {
        it.started(Mono(now));
        it.ended(RunEnd::ByItself, Mono(now));
        assert_eq!(it.decide(true, None, Mono(now)), Decision::Wait(Some(Mono(now + wait))));
        now += wait;
    }
    it.started(Mono(now));
    it.ended(RunEnd::ByItself, Mono(now));
    let until = Mono(9_000 + 600_000);
    assert_eq!(it.phase(), Phase::Down { until, braked: true }, "five bad runs in ten minutes");
    assert_eq!(it.decide(true, None, until), Decision::Start);
}

#[test]
fn killing_it_fifty_times_keeps_it_away_for_two_seconds_at_most() {
    let mut it = Supervision::default();
    let mut now = 0;
    for kill in 0..50_u64 {
        assert_eq!(it.decide(true, None, Mono(now)), Decision::Start, "kill {kill}");
        match kill % 5 {
            // Before its first answer, just after it, and in the middle of a good run.
            0 | 3 => it.started(Mono(now)),
            nth => {
                up(&mut it, now);
                now += if nth == 4 { 3_000 } else { 100 };
            }
        }
        it.ended(RunEnd::Killed, Mono(now));
        let Phase::Down { until, braked: false } = it.phase() else { panic!("{:?}", it.phase()) };
        assert!(until.0 - now <= 2_000, "kill {kill}: {} ms", until.0 - now);
        now = until.0;
    }
    // A program that cannot run, or is another one, is still held back after that.
    it.started(Mono(now));
    it.ended(RunEnd::ByItself, Mono(now));
    it.started(Mono(now));
    it.ended(RunEnd::Left, Mono(now));
    assert_eq!(it.phase(), Phase::Down { until: Mono(now + 2_000), braked: false });
}

#[test]
fn silence_counts_only_from_questions_after_the_start() {
    let mut it = Supervision::default();
    it.started(Mono(1_000));
    it.looked(Mono(999), true, Mono(1_100));
    assert_eq!(it.phase(), Phase::Starting { since: Mono(1_000) });
    assert_eq!(it.decide(true, None, Mono(11_000)), Decision::Restart(Reason::NeverUp));
    it.looked(Mono(1_200), true, Mono(1_300));
    for answered in [false, false, true, false, false] {
        it.looked(Mono(2_000), answered, Mono(2_000));
        assert_eq!(it.decide(true, None, Mono(2_000)), Decision::Wait(None));
    }
    it.looked(Mono(2_000), false, Mono(2_000));
    assert_eq!(it.decide(true, None, Mono(2_000)), Decision::Restart(Reason::Silent));
    assert_eq!(it.decide(false, None, Mono(2_000)), Decision::Stop);
}

#[test]
fn restarts_for_ghosts_are_ten_minutes_apart() {
    let mut it = Supervision::default();
    let ghost = Ghost::Redialling;
    up(&mut it, 0);
    let decision = it.decide(true, Some(&ghost), Mono(20_000));
    let Decision::Restart(reason) = decision else { panic!("{decision:?}") };
    it.restarting(&reason, Mono(20_000));
    it.ended(RunEnd::ByItself, Mono(20_000));
    up(&mut it, 21_000);
    let again = Mono(620_000);
    assert_eq!(it.decide(true, Some(&ghost), Mono(30_000)), Decision::Wait(Some(again)));
    assert_eq!(it.decide(true, Some(&ghost), again), Decision::Restart(reason));
    it.ended(RunEnd::ByItself, Mono(31_000));
    assert_eq!(it.decide(true, None, Mono(31_000)), Decision::Start, "its own end is no ghost");
}

#[test]
fn streams_are_removed_only_when_nothing_of_them_is_left() {
    let agent = Agent::of_capture("run", 1);
    let wanted = BTreeSet::from([name("wanted"), name("new")]);
    let foreign = StreamView { name: "kitchen".into(), ..StreamView::default() };
    let listed = [
        stream("wanted", None, &[]),
        stream("idle", None, &[]),
        stream("watched", Some((1, 10)), &[(2, &agent, 5)]),
        stream("session", Some((3, 10)), &[]),
        foreign,
    ];
    let mut expected = vec![
        StreamStep::Remove(name("idle")),
        StreamStep::Put(name("new")),
        StreamStep::Drain(name("watched")),
        StreamStep::Drain(name("session")),
    ];
    expected.sort();
    assert_eq!(reconcile(&owner(), &wanted, &listed), expected);
}

/// The ghosts after these lists, seen 5 s apart, the first at 5 s.
fn after(wanted: &Wanted, lists: &[Vec<StreamView>]) -> Vec<Ghost> {
    let mut watch = GhostWatch::default();
    let mut at = Mono(0);
    for list in lists {
        at = Mono(at.0 + 5_000);
        watch.looked(wanted, list, 0, (at, Mono(1)));
    }
    watch.ghosts(at).cloned().collect()
}

#[test]
fn a_ghost_has_to_be_seen_three_times_in_a_row() {
    let ghost = || vec![stream("gone", Some((1, 10)), &[])];
    let none = Wanted::default();
    assert_eq!(after(&none, &[ghost(), ghost()]), []);
    assert_eq!(after(&none, &[ghost(), ghost(), ghost()]), [Ghost::Session(name("gone").shared())]);
    assert_eq!(after(&none, &[ghost(), ghost(), vec![], ghost(), ghost()]), []);
    let wanted = Wanted { streams: BTreeSet::from([name("gone")]), ..Wanted::default() };
    assert_eq!(after(&wanted, &[ghost(), ghost(), ghost()]), []);

    let mut watch = GhostWatch::default();
    for _ in 0..5 {
        watch.looked(&none, &ghost(), 0, (Mono(10), Mono(20)));
        watch.looked(&none, &ghost(), 0, (Mono(30), Mono(20)));
    }
    assert_eq!(watch.ghosts(Mono(99)).count(), 0, "one fresh look, told five times");
}

#[test]
fn strangers_and_severed_consumers_are_told_apart() {
    let (ours, strange) = (Agent::of_capture("run", 1), Agent::of_capture("run", 2));
    let wanted =
        Wanted { streams: BTreeSet::from([name("c")]), agents: BTreeSet::from([ours.clone()]) };
    let list = |received: u64, sent: u64, strange_sent: u64| {
        vec![stream("c", Some((1, received)), &[(2, &ours, sent), (3, &strange, strange_sent)])]
    };
    let flowing: Vec<_> = (1..5).map(|n| list(n * 10, n * 9, n)).collect();
    let stranger = Ghost::Consumer { stream: name("c").shared(), id: 3 };
    assert_eq!(after(&wanted, &flowing), std::slice::from_ref(&stranger));
    let severed: Vec<_> = (1..5).map(|n| list(n * 100_000, 9, n)).collect();
    let cut = Ghost::Severed { stream: name("c").shared(), id: 2 };
    assert_eq!(after(&wanted, &severed), [stranger.clone(), cut]);
    let only_stranger = std::slice::from_ref(&stranger);
    let silent: Vec<_> = (1..5).map(|_| list(10, 9, 1)).collect();
    assert_eq!(after(&wanted, &silent), only_stranger, "a silent camera severs nobody");
    let hanging: Vec<_> = (1..20).map(|n| list(n * 100, 9, 1)).collect();
    assert_eq!(after(&wanted, &hanging), only_stranger, "nor does one that only reports");
    let waiting: Vec<_> = (1..20).map(|n| list(n * 100_000, 0, 1)).collect();
    assert_eq!(after(&wanted, &waiting), only_stranger, "nor who waits for a key picture");
}

#[test]
fn looks_that_follow_each_other_quickly_make_no_ghost() {
    let ours = Agent::of_capture("run", 1);
    let agents = BTreeSet::from([ours.clone()]);
    let wanted = Wanted { streams: BTreeSet::from([name("c")]), agents };
    let mut watch = GhostWatch::default();
    let mut ghosts = |at: u64| {
        let list = [stream("c", Some((1, at * 100)), &[(2, &ours, 9)])];
        watch.looked(&wanted, &list, 0, (Mono(at), Mono(0)));
        watch.ghosts(Mono(at)).count()
    };
    assert!((1..40).all(|look| ghosts(look * 250) == 0));
    assert!((40..80).any(|look| ghosts(look * 250) == 1));
}

#[test]
fn dials_with_revoked_grants_are_a_ghost() {
    let mut watch = GhostWatch::default();
    for (look, refused) in [(1, 7), (2, 8), (3, 9), (4, 10)] {
        watch.looked(&Wanted::default(), &[], refused, (Mono(look * 5_000), Mono(0)));
    }
    assert_eq!(watch.ghosts(Mono(19_999)).count(), 0);
    assert_eq!(watch.ghosts(Mono(20_000)).collect::<Vec<_>>(), [&Ghost::Redialling]);
    watch.looked(&Wanted::default(), &[], 10, (Mono(25_000), Mono(0)));
    assert_eq!(watch.ghosts(Mono(25_000)).count(), 0);
}

#[test]
fn browsers_that_do_not_leave_a_stream_that_was_given_up_are_no_ghosts_while_they_are_few() {
    let agent = Agent::of_capture("run", 1);
    let ghosts = |leftovers: u64, session: &dyn Fn(u64) -> Option<(u64, u64)>| {
        let consumers: Vec<_> = (0..leftovers).map(|id| (id, &agent, 10)).collect();
        let mut watch = GhostWatch::default();
        for look in 1..9 {
            let list = [stream("gone", session(look), &consumers)];
            watch.looked(&Wanted::default(), &list, look, (Mono(look * 5_000), Mono(0)));
        }
        watch.ghosts(Mono(40_000)).cloned().collect::<Vec<_>>()
    };
    for session in [None, Some((1, 10))] {
        assert_eq!(ghosts(1, &|_| session), [], "{session:?}");
        assert_eq!(ghosts(16, &|_| session), []);
        assert_eq!(ghosts(17, &|_| session), [Ghost::Redialling]);
    }
    assert_eq!(ghosts(0, &|_| None), [Ghost::Redialling], "something else dials");
    let session = Ghost::Session(name("gone").shared());
    let sent = ghosts(1, &|look| Some((1, look * 10)));
    assert_eq!(sent, [session, Ghost::Redialling], "it is sent pictures");
}

#[test]
fn a_webrtc_viewer_counts_from_its_first_byte_and_is_a_ghost_after_its_lease() {
    let (ours, gone) = (Agent::of_capture("run", 1), Agent::of_capture("run", 2));
    let wanted =
        Wanted { streams: BTreeSet::from([name("c")]), agents: BTreeSet::from([ours.clone()]) };
    let list = |received: u64, sent: [u64; 2]| {
        let mut stream =
            stream("c", Some((1, received)), &[(2, &ours, sent[0]), (3, &gone, sent[1])]);
        for consumer in &mut stream.consumers {
            consumer.format = Some("webrtc/whep".into());
        }
        vec![stream]
    };
    // Browsers that cannot be reached: neither severed nor a ghost.
    let unreached: Vec<_> = (1..8).map(|n| list(n * 10, [0, 0])).collect();
    assert_eq!(after(&wanted, &unreached), []);
    let outlives: Vec<_> = (1..4).map(|n| list(n * 10, [n * 9, n * 9])).collect();
    let ghost = Ghost::Consumer { stream: name("c").shared(), id: 3 };
    assert_eq!(after(&wanted, &outlives[..2]), []);
    assert_eq!(after(&wanted, &outlives), std::slice::from_ref(&ghost));
    let severed: Vec<_> = (1..5).map(|n| list(n * 100_000, [9, n])).collect();
    let cut = Ghost::Severed { stream: name("c").shared(), id: 2 };
    assert_eq!(after(&wanted, &severed), [ghost, cut]);
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Ended(RunEnd),
    Look(bool),
    Wanted(bool),
    Ghost(bool),
    Pass(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        prop::sample::select(vec![RunEnd::ByItself, RunEnd::Left, RunEnd::Killed])
            .prop_map(Event::Ended),
        any::<bool>().prop_map(Event::Look),
        prop::bool::weighted(0.9).prop_map(Event::Wanted),
        any::<bool>().prop_map(Event::Ghost),
        (0..20_000_u64).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 0..300)
}

proptest! {
    #[test]
    fn whatever_happens_starts_are_bounded_and_never_doubled(events in events()) {
        let mut it = Supervision::default();
        let (mut now, mut wanted, mut ghost, mut runs) = (Mono(1), true, false, false);
        let mut starts: Vec<Mono> = Vec::new();
        let mut ghosts: Vec<Mono> = Vec::new();
        for event in events {
            match event {
                Event::Ended(end) if runs => { it.ended(end, now); runs = false; }
                Event::Ended(_) => {}
                Event::Look(answered) => it.looked(now, answered, now),
                Event::Wanted(is) => wanted = is,
                Event::Ghost(is) => ghost = is,
                Event::Pass(millis) => now = Mono(now.0 + millis),
            }
            match it.decide(wanted, ghost.then_some(&Ghost::Redialling), now) {
                Decision::Start => {
                    prop_assert!(wanted && !runs, "started twice, or for nobody");
                    it.started(now);
                    starts.push(now);
                    runs = true;
                }
                Decision::Restart(reason) => {
                    prop_assert!(runs, "nothing to restart");
                    if matches!(reason, Reason::Ghost(_)) { ghosts.push(now); }
                    it.restarting(&reason, now);
                    it.ended(RunEnd::ByItself, now);
                    runs = false;
                }
                Decision::Stop => { prop_assert!(runs && !wanted); it.stopped(now); runs = false; }
                Decision::Wait(until) => {
                    prop_assert!(until.is_none_or(|until| until > now), "a wait that is over");
                    let is_held = matches!(it.phase(), Phase::Down { .. });
                    prop_assert!(!(is_held && wanted) || until.is_some(), "held for ever");
                }
            }
        }
        let window = |times: &[Mono], most: usize| {
            times.windows(most + 1).all(|w| w[most].0 - w[0].0 >= 600_000)
        };
        prop_assert!(window(&starts, 60), "more than 60 starts in ten minutes");
        prop_assert!(window(&ghosts, 1), "two restarts for ghosts within ten minutes");
    }
}
