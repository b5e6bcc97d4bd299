//! Pages of lists: how many things, and an opaque cursor to the next ones.
//!
//! A cursor holds the key of the last thing that was given, so that a list that changes between
//! two requests repeats nothing and leaves nothing out that was there all the time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::problem::{Code, Problem};
use super::wire::Page;

/// Things in one answer unless the request says otherwise.
const LIMIT_DEFAULT: usize = 100;
/// The most in one answer; larger wishes are cut to it.
const LIMIT_MAX: usize = 500;

/// The part of a query that all lists share.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Things in the answer, 1 to 500.
    pub(super) limit: Option<usize>,
    /// `next` of the answer before.
    pub(super) cursor: Option<String>,
}

impl PageQuery {
    /// How many things.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        match self.limit {
            Some(0) => Err(Problem::new(Code::BadQuery, "limit must be at least 1")),
            Some(limit) => Ok(limit.min(LIMIT_MAX)),
            None => Ok(LIMIT_DEFAULT),
        }
    }

    /// The key after which to go on in this list.
    pub(super) fn after(&self, list: &str) -> Result<Option<String>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let key = || {
            let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
            let text = String::from_utf8(bytes).ok()?;
            Some(text.strip_prefix(list)?.strip_prefix(':')?.to_owned())
        };
        let wrong = || Problem::new(Code::BadCursor, "the cursor is not one of this list");
        key().map(Some).ok_or_else(wrong)
    }

    /// The number after which to go on in this list.
    pub(super) fn after_number<N: std::str::FromStr>(
        &self,
        list: &str,
    ) -> Result<Option<N>, Problem> {
        let Some(key) = self.after(list)? else { return Ok(None) };
        let wrong = || Problem::new(Code::BadCursor, "the cursor is not one of this list");
        key.parse().map(Some).map_err(|_| wrong())
    }
}

/// The cursor that goes on after a key.
pub(super) fn cursor(list: &str, key: impl std::fmt::Display) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list}:{key}"))
}

/// The page of things in memory that are sorted by their key.
pub(super) fn sorted<K: Ord + std::fmt::Display, T>(
    query: &PageQuery,
    list: &str,
    things: impl Iterator<Item = (K, T)>,
) -> Result<Page<T>, Problem> {
    let limit = query.limit()?;
    let after = query.after(list)?;
    // Keys are compared as the text that the cursor holds.
    let mut rest = things
        .map(|(key, thing)| (key.to_string(), thing))
        .filter(|(key, _)| after.as_ref().is_none_or(|after| key > after));
    let mut items = Vec::new();
    let mut newest = None;
    for (key, thing) in rest.by_ref().take(limit) {
        items.push(thing);
        newest = Some(key);
    }
    let more = rest.next().is_some();
    Ok(Page { items, next: newest.filter(|_| more).map(|key| cursor(list, key)) })
}

/// The page of things that were asked for one more than wanted.
pub(super) fn of_one_more<T>(
    mut found: Vec<T>,
    limit: usize,
    next: impl Fn(&T) -> String,
) -> Page<T> {
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(next);
    Page { items: found, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_safe_in_a_url_and_good_for_its_list_only() {
        let cursor = cursor("cameras", "cam-001?&/+");
        assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        let query = PageQuery { limit: None, cursor: Some(cursor) };
        assert_eq!(query.after("cameras").unwrap().unwrap(), "cam-001?&/+");
        assert!(query.after("sweeps").is_err());
        assert!(PageQuery { cursor: Some("%".into()), ..query }.after("cameras").is_err());
    }

    #[test]
    fn pages_give_everything_once() {
        let all = || (1..=7).map(|n| (format!("{n:02}"), n));
        let mut query = PageQuery { limit: Some(3), cursor: None };
        let mut seen = Vec::new();
        loop {
            let page = sorted(&query, "x", all()).unwrap();
            seen.extend(page.items);
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, (1..=7).collect::<Vec<_>>());
    }
}
