use super::*;

/// Every sentence that a failure quotes stands in the port's documentation, or the quotation is stale.
#[test]
fn promises_are_quoted_word_for_word() {
    let documentation = plain(include_str!("../../engine.rs"));
    for promise in promises::ALL {
        let text = plain(promise.text);
        assert!(documentation.contains(&text), "{} does not say {text:?}", promise.by);
    }
}

/// The words of documentation comments: without markers, line ends, quotes and the targets of links.
fn plain(text: &str) -> String {
    let words: Vec<&str> = text.lines().map(|line| line.trim().trim_start_matches("///").trim()).collect();
    let mut plain = String::new();
    let mut rest = words.join(" ");
    while let Some(at) = rest.find("](") {
        plain.push_str(&rest[..at]);
        let end = rest[at..].find(')').map_or(rest.len(), |end| at + end + 1);
        rest = rest.split_off(end);
    }
    plain.push_str(&rest);
    plain.chars().filter(|c| !"[]`".contains(*c)).collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn rules_have_names_of_their_own() {
    let names: std::collections::BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), RULES.len());
}

#[tokio::test]
async fn an_unknown_rule_is_a_failure() {
    assert!(check("grant::is_green", &MemoryFixture::new()).await.is_err());
}
