//! The calls that every family of objects has.

use emnify::wire::integration::{
    ADDRESS_SPACES, API_CALLBACKS, API_SECRETS, ApiCallbackCreate, ApiSecretCreate, DNS, DnsConfigCreate,
    IpAddressSpaceCreate,
};
use emnify::wire::tag::{TAGS, TagWrite};
use emnify::{Cursor, Error, Lane};

use crate::stage::{client, example};

#[tokio::test(start_paused = true)]
async fn a_pair_of_resolvers_is_made_found_and_deleted() {
    let simulator = example();
    let api = client(&simulator).api(Lane::Create);
    let new = DnsConfigCreate {
        primary: "9.9.9.9".into(),
        secondary: "149.112.112.112".into(),
        ip_address_version: 4,
    };
    let id = DNS.create(&api, &new).await.unwrap().id;
    let listed = DNS.list(&api, Cursor::first()).await.unwrap();
    assert_eq!(listed.items.iter().map(|dns| dns.id).collect::<Vec<_>>(), [id]);
    let shown = DNS.get(&api, id).await.unwrap().expect("what has no read of one is read from the listing");
    assert_eq!((shown.primary, shown.secondary), (new.primary, new.secondary));
    DNS.delete(&api, id).await.unwrap();
    assert_eq!(DNS.get(&api, id).await, Ok(None), "a listing without it is proof");
    assert!(matches!(DNS.delete(&api, id).await, Err(Error::NotFound { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_tag_is_renamed_in_place() {
    let simulator = example();
    let api = client(&simulator).api(Lane::Create);
    let id = TAGS.create(&api, &TagWrite::named("roof")).await.unwrap().id;
    let again = TAGS.create(&api, &TagWrite::named("roof")).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "a name is unique: {again:?}");
    TAGS.patch(&api, id, &TagWrite::named("cellar")).await.unwrap();
    assert_eq!(TAGS.get(&api, id).await.unwrap().unwrap().name, "cellar");
    TAGS.delete(&api, id).await.unwrap();
    assert_eq!(TAGS.get(&api, id).await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn callbacks_secrets_and_address_spaces_are_made_found_and_deleted() {
    let simulator = example();
    let api = client(&simulator).api(Lane::Create);
    let callback = ApiCallbackCreate { url: "https://a.example".into(), purpose: Some("sms".into()) };
    let id = API_CALLBACKS.create(&api, &callback).await.unwrap().id;
    let shown = API_CALLBACKS.get(&api, id).await.unwrap().unwrap();
    assert_eq!((shown.url, shown.purpose), (callback.url, callback.purpose));
    API_CALLBACKS.delete(&api, id).await.unwrap();
    assert_eq!(API_CALLBACKS.get(&api, id).await, Ok(None));

    let secret = ApiSecretCreate { purpose: "sms".into(), secret: "hush".to_owned().into() };
    let id = API_SECRETS.create(&api, &secret).await.unwrap().id;
    assert_eq!(API_SECRETS.get(&api, id).await.unwrap().unwrap().purpose.as_deref(), Some("sms"));
    API_SECRETS.delete(&api, id).await.unwrap();

    let space = IpAddressSpaceCreate { ip_address_space: "10.192.4.0/24".into(), ip_address_version: 4 };
    let id = ADDRESS_SPACES.create(&api, &space).await.unwrap().id;
    let shown = ADDRESS_SPACES.get(&api, id).await.unwrap().unwrap();
    assert_eq!((shown.ip_address_space, shown.used_count), (space.ip_address_space, Some(0)));
    ADDRESS_SPACES.delete(&api, id).await.unwrap();
    assert_eq!(ADDRESS_SPACES.get(&api, id).await, Ok(None));
}
