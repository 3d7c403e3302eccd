//! Countries and mobile operators. [R] for ids below 2001: recorded rows; the others carry public numbering facts.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use serde::Deserialize;
use serde_json::{Value, json};

static COUNTRIES: LazyLock<Vec<Country>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("countries.json")).expect("countries.json is part of this crate")
});

static OPERATORS: LazyLock<Vec<Operator>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("operators.json")).expect("operators.json is part of this crate")
});

/// A country, or a second entry of one that needs two mobile country codes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Country {
    /// Its id.
    pub id: u64,
    /// English name.
    pub name: String,
    /// Calling code without `+`.
    pub country_code: String,
    /// Mobile country code.
    pub mcc: String,
    /// Two lower-case letters. [R]
    pub iso_code: String,
    latitude: Option<String>,
    longitude: Option<String>,
    /// False for duplicates of a country and for "ANY", which `?geographic=true` leaves out. [S]
    #[serde(default = "yes")]
    pub geographic: bool,
}

/// A mobile network operator.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// Its id.
    pub id: u64,
    /// Its brand; not unique. [R]
    pub name: String,
    country: u64,
    /// Row id and code of each network. Codes are nearly unique within a country. [R]
    pub mnc: Vec<(u64, String)>,
    /// Row id and TADIG code; unique where present. [R]
    pub tapcode: Vec<(u64, String)>,
}

/// Operators of another platform than the simulated one. They are few, and stay as long as the process does.
static LEARNT: LazyLock<RwLock<HashMap<u64, &'static Operator>>> = LazyLock::new(RwLock::default);

fn yes() -> bool {
    true
}

impl Country {
    /// All countries, by name.
    pub fn all() -> &'static [Self] {
        &COUNTRIES
    }

    /// The country of that id.
    pub fn get(id: u64) -> Option<&'static Self> {
        COUNTRIES.iter().find(|country| country.id == id)
    }

    /// As most answers embed it. [R]
    pub fn json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "country_code": self.country_code,
            "mcc": self.mcc,
            "iso_code": self.iso_code,
        })
    }

    /// As the operator lookup embeds it: with coordinates as strings. [R]
    pub fn json_with_position(&self) -> Value {
        let mut json = self.json();
        json["latitude"] = json!(self.latitude);
        json["longitude"] = json!(self.longitude);
        json
    }
}

impl Operator {
    /// All operators in the order of the API: by country name. [R]
    pub fn all() -> &'static [Self] {
        &OPERATORS
    }

    /// The operator of that id.
    pub fn get(id: u64) -> Option<&'static Self> {
        let known = OPERATORS.iter().find(|operator| operator.id == id);
        known.or_else(|| LEARNT.read().unwrap_or_else(PoisonError::into_inner).get(&id).copied())
    }

    /// From now on there is an operator of that id, in every simulator of the process; nothing but its name is known.
    pub fn learn(id: u64, name: &str) {
        if Self::get(id).is_some() {
            return;
        }
        let country = COUNTRIES.first().map_or(0, |country| country.id);
        let operator = Self { id, name: name.to_owned(), country, mnc: Vec::new(), tapcode: Vec::new() };
        let kept: &'static Self = Box::leak(Box::new(operator));
        LEARNT.write().unwrap_or_else(PoisonError::into_inner).insert(id, kept);
    }

    /// Where it runs its network.
    pub fn country(&self) -> &'static Country {
        Country::get(self.country).expect("operators name countries of the reference data")
    }

    /// As a blocklist of a device shows it (Java). [R]
    pub fn json(&self) -> Value {
        let mnc: Vec<_> = self.mnc.iter().map(|(id, mnc)| json!({"id": id, "mnc": mnc})).collect();
        let tapcode: Vec<_> =
            self.tapcode.iter().map(|(id, code)| json!({"id": id, "tapcode": code})).collect();
        json!({
            "id": self.id,
            "name": self.name,
            "country": self.country().json(),
            "tapcode": tapcode,
            "mnc": mnc,
        })
    }

    /// As the operator lookup shows it (PHP: numbers in strings, here and there). [R]
    pub fn lookup_json(&self) -> Value {
        let country = self.country();
        let owner = self.id.to_string();
        let row =
            |name: &str, (id, value): &(u64, String)| json!({name: value, "operator_id": owner, "id": id});
        json!({
            "name": self.name,
            "inbound_roamers_allowed": "1",
            "country_name": country.name,
            "id": self.id,
            "country": country.json_with_position(),
            "mnc": self.mnc.iter().map(|mnc| row("mnc", mnc)).collect::<Vec<_>>(),
            "tapcode": self.tapcode.iter().map(|code| row("tapcode", code)).collect::<Vec<_>>(),
            "name_and_country": format!("{} / {}", country.name, self.name),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn count<K: std::hash::Hash + Eq>(keys: impl Iterator<Item = K>) -> HashMap<K, usize> {
        keys.fold(HashMap::new(), |mut counts, key| {
            *counts.entry(key).or_default() += 1;
            counts
        })
    }

    #[test]
    fn names_repeat_as_they_do_in_the_recorded_lookup() {
        let names = count(Operator::all().iter().map(|operator| operator.name.as_str()));
        for name in ["Digicel", "Orange", "Vodafone", "ANY"] {
            assert!(names[name] > 1, "{name} is not unique");
        }
        let full = count(Operator::all().iter().map(|operator| (operator.country, &operator.name)));
        let twice = full.values().filter(|count| **count == 2).count();
        assert_eq!(twice, 2, "ANY / ANY and South Africa / MTN are there twice");
        assert!(Operator::all().iter().any(|operator| operator.mnc.is_empty()));
        assert!(Operator::all().iter().any(|operator| operator.tapcode.is_empty()));
    }

    #[test]
    fn tap_codes_are_unique_and_three_network_codes_are_shared() {
        let taps = Operator::all().iter().flat_map(|operator| &operator.tapcode);
        assert!(count(taps.map(|(_, code)| code)).values().all(|count| *count == 1));
        let networks = Operator::all().iter().flat_map(|operator| {
            operator.mnc.iter().map(|(_, mnc)| (operator.country().mcc.as_str(), mnc.as_str()))
        });
        let mut shared: Vec<_> =
            count(networks).into_iter().filter(|(_, count)| *count > 1).map(|(key, _)| key).collect();
        shared.sort_unstable();
        assert_eq!(shared, [("240", "05"), ("240", "24"), ("454", "00")]);
    }

    #[test]
    fn operators_are_listed_by_country_name() {
        let names: Vec<_> =
            Operator::all().iter().map(|operator| operator.country().name.to_lowercase()).collect();
        assert!(names.is_sorted());
    }

    #[test]
    fn the_lookup_speaks_the_recorded_mixture_of_types() {
        let operator = Operator::get(552).expect("a recorded row");
        assert_eq!(
            operator.lookup_json(),
            json!({
                "name": "Afghan Wireless (AWCC)", "inbound_roamers_allowed": "1", "country_name": "Afghanistan", "id": 552,
                "country": {
                    "name": "Afghanistan", "country_code": "93", "mcc": "412", "iso_code": "af",
                    "latitude": "33.000000", "longitude": "65.000000", "id": 3
                },
                "mnc": [{"mnc": "01", "operator_id": "552", "id": 14}],
                "tapcode": [{"tapcode": "AFGAW", "operator_id": "552", "id": 13}],
                "name_and_country": "Afghanistan / Afghan Wireless (AWCC)"
            })
        );
        assert_eq!(
            Operator::get(24).expect("a recorded row").json()["mnc"],
            json!([{"id": 17, "mnc": "02"}])
        );
    }
}
