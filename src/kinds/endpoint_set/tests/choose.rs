use emnify_engine::kind::{
    reason,
    set::{CurrentMember, Pool},
};

use crate::kinds::{endpoint::rows::status as device, endpoint_set::tests::*};

/// SIMs and devices of an organisation; `text` is that of the `ConfigMap`.
#[derive(Default)]
struct World {
    sims: Vec<SimRow>,
    devices: Vec<Row>,
    members: Vec<CurrentMember>,
    text: Option<&'static str>,
}

impl World {
    fn new(sims: impl IntoIterator<Item = u32>) -> Self {
        Self { sims: sims.into_iter().map(sim).collect(), ..Self::default() }
    }

    /// SIMs that are in devices of the set, oldest first.
    fn members(mut self, sims: &[u32]) -> Self {
        for (age, number) in (1000..).zip(sims) {
            self.put(*number, age, &["k8s:eu/prod/meters"]);
            self.members.push(CurrentMember { pool: (*number).into(), id: Some(age) });
        }
        self
    }

    fn put(&mut self, number: u32, device: i64, tags: &[&str]) {
        let sim = self.sims.iter_mut().find(|sim| sim.id == i64::from(number)).unwrap();
        sim.endpoint = Some(device);
        self.devices.push(Row {
            id: device,
            status: device::ENABLED,
            tags: Some(tags.iter().map(|name| tag(name)).collect()),
            ..Row::default()
        });
    }

    fn choose(&self, spec: &Value) -> Result<Choice, Invalid> {
        let holders: &dyn Pool<Endpoint> = &self.devices;
        let candidates = Candidates { pool: &self.sims, holders, text: self.text, members: &self.members };
        set(spec).choose(&candidates)
    }

    fn members_of(&self, spec: &Value) -> Vec<i64> {
        self.choose(spec).unwrap().members
    }
}

fn range(from: u64, to: u64) -> Value {
    json!({"iccidRanges": [{"from": iccid(from), "to": iccid(to)}]})
}

fn pool(selector: &Value, replicas: usize) -> Value {
    json!({"pool": {"selector": selector, "replicas": replicas}})
}

fn selector(selector: &Value) -> Value {
    json!({"sims": {"selector": selector}})
}

#[test]
fn a_pool_without_a_number_keeps_whom_it_has() {
    let open = json!({"pool": {"selector": range(1, 9)}});
    assert_eq!(World::new(1..=5).members_of(&open), Vec::<i64>::new(), "none until it is scaled");
    let world = World::new(1..=5).members(&[4, 2]);
    assert_eq!(world.members_of(&open), [4, 2], "and whoever takes the number away lets nobody go");
    assert!(world.choose(&open).unwrap().unmet.is_empty());
}

#[test]
fn a_list_means_its_sims_once_and_names_those_that_are_not_there() {
    let world = World::new(1..=5);
    let spec = json!({"sims": {"list": [iccid(4), iccid(2), iccid(9), iccid(1)]}});
    let choice = world.choose(&spec).unwrap();
    assert_eq!(choice.members, [1, 2, 4], "in the order of ICCIDs");
    assert_eq!(choice.unmet.len(), 1);
    assert_eq!((choice.unmet[0].member.as_str(), choice.unmet[0].reason), (&*iccid(9), reason::NOT_FOUND));
    assert!(choice.unmet[0].message.starts_with("sims.list[2]: "), "{}", choice.unmet[0].message);
}

#[test]
fn twenty_digits_and_nineteen_are_one_sim() {
    let long = (0..10)
        .map(|check| format!("{}{check}", iccid(3)))
        .find(|long| crate::api::Iccid::from(long.as_str()).normal("p").is_ok())
        .unwrap();
    let spec = json!({"sims": {"list": [long, iccid(3)]}});
    assert_eq!(World::new(1..=5).members_of(&spec), [3]);
}

#[test]
fn a_mistake_in_a_list_stops_the_set_instead_of_letting_a_device_go() {
    let error = World::new(1..=5).choose(&json!({"sims": {"list": [iccid(1), "8988"]}})).unwrap_err();
    assert_eq!(error.path, "sims.list[1]");
}

#[test]
fn a_text_is_a_longer_list() {
    let mut world = World::new(1..=5).members(&[5]);
    let spec = json!({"sims": {"configMapRef": {"name": "sims", "key": "iccids"}}});
    assert_eq!(world.choose(&spec).unwrap_err().path, "sims.configMapRef", "no text is not an empty text");
    world.text = Some("# roof\n8988303000000010002, 8988303000000010005\n\n8988303000000010077\n");
    let choice = world.choose(&spec).unwrap();
    assert_eq!(choice.members, [5, 2], "the member first");
    assert!(choice.unmet[0].message.starts_with("line 4: "), "{}", choice.unmet[0].message);
}

#[test]
fn ranges_include_both_ends() {
    let world = World::new(1..=9);
    assert_eq!(world.members_of(&selector(&range(3, 5))), [3, 4, 5]);
    let two = json!({"iccidRanges": [
        {"from": iccid(8), "to": iccid(20)}, {"from": iccid(1), "to": iccid(1)}
    ]});
    assert_eq!(world.members_of(&selector(&two)), [1, 8, 9]);
}

#[test]
fn all_criteria_of_a_selector_have_to_hold() {
    let mut world = World::new(1..=9);
    world.sims[3].model = Some(7);
    world.sims[8].model = Some(7);
    let mut both = range(1, 5);
    both["model"] = json!("7");
    assert_eq!(world.members_of(&selector(&both)), [4]);
}

#[test]
fn a_sim_without_a_readable_iccid_is_in_no_range_and_deleted_ones_are_nowhere() {
    let mut world = World::new(1..=4);
    world.sims[0].iccid = Some("89883030000000100AF".into());
    world.sims[1].status = sim_status::DELETED;
    assert_eq!(world.members_of(&selector(&range(0, 9))), [3, 4]);
    assert_eq!(world.members_of(&selector(&json!({"unassigned": true}))), [3, 4, 1], "and comes last");
}

#[test]
fn unassigned_means_in_no_device_or_in_one_of_the_set() {
    let mut world = World::new(1..=5).members(&[4, 2]);
    world.put(3, 77, &[]);
    assert_eq!(world.members_of(&selector(&json!({"unassigned": true}))), [4, 2, 1, 5]);
    let all = world.members_of(&selector(&range(1, 5)));
    assert_eq!(all, [4, 2, 1, 3, 5], "else a foreign device is chosen, for adoption or to be reported");
}

#[test]
fn a_tag_finds_the_sims_of_the_devices_that_carry_it() {
    let mut world = World::new(1..=5);
    world.put(2, 70, &["roof", "north"]);
    world.put(3, 71, &["cellar"]);
    assert_eq!(world.members_of(&selector(&json!({"tag": "roof"}))), [2]);
}

#[test]
fn members_stay_when_their_tags_are_not_known_and_leave_when_the_tag_is_gone() {
    let mut world = World::new(1..=3).members(&[2, 3]);
    world.devices[0].tags = None;
    assert_eq!(world.members_of(&selector(&json!({"tag": "roof"}))), [2]);
}

#[test]
fn a_member_whose_sim_is_not_listed_stays() {
    let mut world = World::new(1..=4).members(&[2, 3]);
    world.sims.remove(1);
    for spec in [selector(&range(1, 4)), pool(&range(1, 4), 4)] {
        assert_eq!(world.members_of(&spec)[..2], [2, 3], "{spec}");
    }
    let list = json!({"sims": {"list": [iccid(2), iccid(3)]}});
    let choice = world.choose(&list).unwrap();
    assert_eq!((choice.members, choice.unmet.len()), (vec![2, 3], 1), "and is reported");
    world.sims[1].status = sim_status::DELETED;
    assert_eq!(world.members_of(&selector(&range(1, 4)))[..2], [2, 1], "a SIM that is deleted is gone");
}

#[test]
fn a_pool_keeps_its_members_and_adds_the_lowest_that_are_free() {
    let mut world = World::new(1..=9).members(&[7, 5]);
    world.put(1, 77, &[]);
    assert_eq!(world.members_of(&pool(&range(1, 9), 4)), [7, 5, 2, 3]);
}

#[test]
fn the_newest_leave_a_pool_first() {
    let world = World::new(1..=9).members(&[7, 5, 6, 1]);
    assert_eq!(world.members_of(&pool(&range(1, 9), 2)), [7, 5], "the oldest stay, whatever their ICCID");
    assert_eq!(world.members_of(&pool(&range(1, 9), 0)), Vec::<i64>::new());
}

#[test]
fn a_pool_that_is_too_small_says_by_how_much() {
    let choice = World::new(1..=7).choose(&pool(&range(1, 9), 10)).unwrap();
    assert_eq!(choice.members.len(), 7, "those that there are join");
    assert!(choice.unmet[0].message.starts_with("only 7 of 10 SIMs match"), "{}", choice.unmet[0].message);
}

#[test]
fn a_hundred_thousand_sims_are_one_pass() {
    // The time of a pass over a pass would be hours; this ends or does not.
    let count = 100_000;
    let world = World { sims: (1..=count).map(sim).collect(), ..World::default() };
    let members: Vec<CurrentMember> = (1..=i64::from(count / 2))
        .map(|number| CurrentMember { pool: number * 2, id: Some(number) })
        .collect();
    let world = World { members, ..world };
    let chosen = world.members_of(&selector(&range(1, u64::from(count))));
    assert_eq!(chosen.len(), count as usize);
    assert_eq!((chosen[0], chosen[50_000], chosen[99_999]), (2, 1, 99_999));
}
