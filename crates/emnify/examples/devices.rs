//! Lists the devices of an organisation, with an application token:
//!
//!     EMNIFY_TOKEN=... cargo run -p emnify --example devices

use std::{env, error::Error, sync::Arc};

use emnify::{
    BaseUrl, Client, Config, Credentials, Cursor, HostLimits, HttpTransport, HttpTransportConfig, Lane,
    wire::Listing,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let token = env::var("EMNIFY_TOKEN").map_err(|_| "EMNIFY_TOKEN holds no application token")?;
    let url = env::var("EMNIFY_BASE_URL").unwrap_or_else(|_| BaseUrl::PRODUCTION.to_owned());
    let caller = Some("devices example".to_owned());
    let transport = HttpTransport::new(HttpTransportConfig { caller, ..HttpTransportConfig::default() })?;
    // one for all clients of a host: they share what the host allows
    let limits = HostLimits::new(1.0);
    let credentials = Credentials::ApplicationToken(token.into());
    let client = Client::new(Config::new(BaseUrl::parse(&url)?, credentials, Arc::new(transport), limits));

    // without this the first call logs in
    let identity = client.login().await?;
    println!("Devices of {} ({}):", identity.organisation_name, identity.organisation_id);
    let api = client.api(Lane::Interactive);
    let listing = Listing::all().sort("id");
    let mut next = Some(Cursor::first());
    while let Some(at) = next {
        let page = api.list_endpoints(at, &listing).await?;
        for device in &page.items {
            println!("{:>12}  {}", device.id, device.name.as_deref().unwrap_or("-"));
        }
        next = page.next();
    }
    Ok(())
}
