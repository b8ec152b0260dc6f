//! A table renewed from a list, on its schedule, beside a gateway that serves.

use super::*;
use crate::control::testing::TempDir;

const LIST: &str =
    r#"{"new-model":{"litellm_provider":"openai","input_cost_per_token":1e-06,"output_cost_per_token":2e-06}}"#;

fn folder_with(list: &str) -> (TempDir, ListOrigin, PathBuf) {
    let folder = TempDir::new();
    let path = folder.path().join("list.json");
    std::fs::write(&path, list).expect("written");
    let table = folder.path().join("prices.json");
    (folder, ListOrigin::File(path), table)
}

#[test]
fn a_renewal_writes_a_table_that_reads_back() {
    let (_folder, from, table) = folder_with(LIST);
    let renewed = renew_now(&from, Some(&table)).expect("renewed");
    // The rest of that source is not in the list any more.
    assert!(renewed.changes.iter().any(|change| matches!(change, Change::Removed(_))));
    let found = read_price_table(&table).expect("a table").find("openai", "new-model", None);
    assert_eq!((found.len(), renewed.source.as_str()), (1, "litellm"));
    // A second one changes nothing, and leaves the file's content alone.
    let before = std::fs::read(&table).expect("there");
    assert!(renew_now(&from, Some(&table)).expect("renewed").changes.is_empty());
    assert_eq!(std::fs::read(&table).expect("there"), before);
    // Without a table nothing is written.
    assert!(!renew_now(&from, None).expect("renewed").changes.is_empty());
}

#[test]
fn what_is_no_list_leaves_the_table_as_it_is() {
    let (_folder, from, table) = folder_with("<html>not found</html>");
    std::fs::write(&table, Table::write(&[])).expect("written");
    assert!(renew_now(&from, Some(&table)).is_err());
    assert_eq!(std::fs::read_to_string(&table).expect("there"), Table::write(&[]));
    let missing = ListOrigin::File(table.with_file_name("nowhere.json"));
    assert!(renew_now(&missing, Some(&table)).err().expect("a fault").contains("nowhere.json"));
}

#[test]
fn a_list_is_fetched_from_a_url() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let server = std::thread::spawn(move || {
        for answer in ["HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found"] {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).expect("a request");
            let answer = format!("{answer}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{LIST}", LIST.len());
            stream.write_all(answer.as_bytes()).expect("answered");
        }
    });
    let (_folder, _, table) = folder_with(LIST);
    let from = ListOrigin::Url(format!("http://{address}/prices.json"));
    renew_now(&from, Some(&table)).expect("renewed");
    assert_eq!(read_price_table(&table).expect("a table").find("openai", "new-model", None).len(), 1);
    let fault = renew_now(&from, Some(&table)).err().expect("not there");
    assert!(fault.ends_with("answered 404 Not Found"), "{fault}");
    server.join().expect("ended");
}

#[test]
fn a_schedule_goes_by_the_age_of_the_table() {
    let (_folder, from, table) = folder_with(LIST);
    let every = Duration::from_secs(24 * 3600);
    let refresh = Some(crate::config::PriceRefresh { from, every });
    let settings = PriceSettings { table: Some(table.clone()), refresh };
    let now = Instant::now();
    let due = |settings: &PriceSettings| {
        let mut schedule = Schedule::default();
        schedule.plan(settings, now);
        schedule.at.map(|at| at - now)
    };
    assert_eq!(due(&PriceSettings::default()), None);
    assert_eq!(due(&settings), Some(Duration::ZERO), "no table yet");
    std::fs::write(&table, Table::write(&[])).expect("written");
    assert!(due(&settings).expect("planned") > Duration::from_secs(23 * 3600));
    let old = SystemTime::now() - 2 * every;
    File::options().append(true).open(&table).and_then(|file| file.set_modified(old)).expect("aged");
    assert_eq!(due(&settings), Some(Duration::ZERO));
}
