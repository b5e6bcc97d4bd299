//! Refused live views and ended leases as problem documents, with a sentence for people in
//! English and Japanese.
//!
//! `detail` is in the language that `Accept-Language` prefers of the two; `messages` has both.

use axum::http::{HeaderMap, header};

use super::problem::{Code, Messages, Problem, ProblemMembers};
use crate::live::LeaseError;
use crate::model::admission::{CapacityLimit, OverloadCause, Overloaded, Refusal};
use crate::model::slot;
use crate::model::time::Now;

/// Views end as people look away: worth asking again after this.
const CAPACITY_RETRY: u64 = 10;
/// An overload lasts for a minute at least.
const OVERLOAD_RETRY: u64 = 30;
/// A connection comes back when a capture or a quarantine ends.
const SLOT_RETRY: u64 = 5;

/// A language that texts are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// English.
    En,
    /// Japanese.
    Ja,
}

impl Language {
    /// The one of the two that `Accept-Language` (RFC 9110 section 12.5.4) prefers; English when
    /// it says nothing of either.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let lists = headers.get_all(header::ACCEPT_LANGUAGE).iter();
        let mut best = (Self::En, 0.0_f32);
        for range in lists.filter_map(|value| value.to_str().ok()).flat_map(|l| l.split(',')) {
            let (tag, quality) = range.split_once(';').unwrap_or((range, "q=1"));
            let quality = quality.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok());
            let primary = tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
            let language = match primary.as_str() {
                "ja" => Self::Ja,
                "en" => Self::En,
                _ => continue,
            };
            // The first of equals stays.
            if let Some(quality) = quality.filter(|quality| *quality > best.1) {
                best = (language, quality);
            }
        }
        best.0
    }
}

/// Why a live view was refused.
pub(super) fn refused(refusal: &Refusal, language: Language, now: Now) -> Problem {
    let (code, members) = match refusal {
        Refusal::UnknownCamera(_) => (Code::NotFound, ProblemMembers::default()),
        Refusal::CameraDisabled(_) => (Code::CameraDisabled, ProblemMembers::default()),
        Refusal::SuggestDisabled => (Code::SuggestDisabled, ProblemMembers::default()),
        Refusal::NoSuchStream(..) => (Code::StreamNotDeclared, ProblemMembers::default()),
        Refusal::UserHasModal { camera } => {
            let camera = Some(camera.as_str().to_owned());
            (Code::UserHasModal, ProblemMembers { camera, ..ProblemMembers::default() })
        }
        Refusal::OverCapacity { limit, used, of, .. } => {
            let which = match limit {
                CapacityLimit::Units => "units",
                CapacityLimit::SuggestViews => "suggestViews",
            };
            (Code::OverCapacity, limited(which, (*used).into(), (*of).into(), CAPACITY_RETRY))
        }
        Refusal::Overloaded(Overloaded { cause, measured, limit, .. }) => {
            (Code::SystemOverload, limited(cause.as_str(), *measured, *limit, OVERLOAD_RETRY))
        }
        Refusal::NoSlot(refusal) => (Code::NoSlot, no_slot(refusal, now)),
    };
    told(code, Messages { en: english(refusal), ja: japanese(refusal) }, members, language)
}

/// Why a lease cannot be used.
pub(super) fn unusable(error: LeaseError, language: Language) -> Problem {
    let (code, en, ja) = match error {
        LeaseError::Unknown => {
            (Code::NotFound, "there is no such lease".to_owned(), "その視聴権はありません。")
        }
        LeaseError::NotYours => (
            Code::LeaseNotYours,
            "the lease is somebody else's".to_owned(),
            "ほかの利用者の視聴権です。",
        ),
        LeaseError::Ended(reason) => (
            Code::LeaseEnded,
            format!("the lease has ended: {}", reason.as_str()),
            "この視聴は終了しました。",
        ),
    };
    let reason = match error {
        LeaseError::Ended(reason) => Some(reason.as_str().to_owned()),
        LeaseError::Unknown | LeaseError::NotYours => None,
    };
    let members = ProblemMembers { reason, ..ProblemMembers::default() };
    told(code, Messages { en, ja: ja.to_owned() }, members, language)
}

fn told(code: Code, messages: Messages, members: ProblemMembers, language: Language) -> Problem {
    let detail = match language {
        Language::En => messages.en.clone(),
        Language::Ja => messages.ja.clone(),
    };
    Problem::new(code, detail).members(ProblemMembers { messages: Some(messages), ..members })
}

fn limited(by: &str, current: u64, limit: u64, retry: u64) -> ProblemMembers {
    ProblemMembers {
        limited_by: Some(by.to_owned()),
        current: Some(current),
        limit: Some(limit),
        retry_after_seconds: Some(retry),
        ..ProblemMembers::default()
    }
}

fn no_slot(refusal: &slot::Refusal, now: Now) -> ProblemMembers {
    let wait = refusal.until().map(|until| until.since(now.mono).as_secs() + 1);
    let retry = wait.unwrap_or(SLOT_RETRY);
    match refusal {
        slot::Refusal::Full { limit, ours, others } => {
            let used = u64::from(*ours) + u64::from(*others);
            limited("connections", used, (*limit).into(), retry)
        }
        slot::Refusal::Exclusive { .. } => limited("connections", 1, 1, retry),
        slot::Refusal::Resting { .. }
        | slot::Refusal::Wanted { .. }
        | slot::Refusal::UnknownDevice
        | slot::Refusal::NotObserved => {
            ProblemMembers { retry_after_seconds: Some(retry), ..ProblemMembers::default() }
        }
    }
}

fn english(refusal: &Refusal) -> String {
    match refusal {
        Refusal::UnknownCamera(name) => format!("there is no camera {name}"),
        Refusal::CameraDisabled(name) => format!("camera {name} is disabled in its manifest"),
        Refusal::SuggestDisabled => {
            "the suggestion is turned off in the manifests (suggest.enabled)".to_owned()
        }
        Refusal::NoSuchStream(name, quality) => {
            format!("camera {name} has no {} stream", quality.as_str())
        }
        Refusal::UserHasModal { camera } => {
            format!("you watch {camera} already: close it first, or take over")
        }
        Refusal::OverCapacity { limit: CapacityLimit::Units, used, of, wanted } => format!(
            "too many live views: {used} of {of} units are in use and this one takes {wanted}; \
             try again when somebody has closed one"
        ),
        Refusal::OverCapacity { limit: CapacityLimit::SuggestViews, used, of, .. } => {
            format!("too many suggestion panes: {used} of {of} are in use")
        }
        Refusal::Overloaded(overloaded) => {
            format!("the server has too much to do for another live view: {overloaded}")
        }
        Refusal::NoSlot(refusal) => format!("no connection to the camera is free: {refusal}"),
    }
}

fn japanese(refusal: &Refusal) -> String {
    match refusal {
        Refusal::UnknownCamera(name) => format!("カメラ {name} はありません。"),
        Refusal::CameraDisabled(name) => format!("カメラ {name} は無効に設定されています。"),
        Refusal::SuggestDisabled => {
            "注目カメラの表示は設定で無効になっています（suggest.enabled）。".to_owned()
        }
        Refusal::NoSuchStream(name, quality) => {
            format!("カメラ {name} に {} ストリームはありません。", quality.as_str())
        }
        Refusal::UserHasModal { camera } => {
            format!("すでに {camera} を視聴中です。閉じるか、切り替えてください。")
        }
        Refusal::OverCapacity { limit: CapacityLimit::Units, used, of, wanted } => format!(
            "ライブ視聴が多すぎます。{of} のうち {used} が使用中で、この視聴には {wanted} 必要です。\
             ほかの視聴が終わってからお試しください。"
        ),
        Refusal::OverCapacity { limit: CapacityLimit::SuggestViews, used, of, .. } => {
            format!("注目カメラの表示が多すぎます。{of} のうち {used} が使用中です。")
        }
        Refusal::Overloaded(Overloaded { cause, measured, limit, .. }) => {
            let load = match cause {
                OverloadCause::Cpu => format!("CPU {measured} %、上限 {limit} %"),
                OverloadCause::Memory => format!("メモリ {measured} %、上限 {limit} %"),
                OverloadCause::SwapIn => {
                    format!("スワップ読み込み毎秒 {measured} バイト、上限 {limit}")
                }
            };
            format!("サーバーが過負荷のため、新しいライブ視聴を始められません（{load}）。")
        }
        Refusal::NoSlot(refusal) => {
            let why = match refusal {
                slot::Refusal::Full { limit, .. } => format!("{limit} 接続すべて使用中"),
                slot::Refusal::Exclusive { .. } => "ほかで占有中".to_owned(),
                slot::Refusal::Wanted { .. } => "ほかの視聴者が待機中".to_owned(),
                slot::Refusal::Resting { .. } => "次の接続まで待機中".to_owned(),
                slot::Refusal::UnknownDevice | slot::Refusal::NotObserved => "確認中".to_owned(),
            };
            format!("カメラの接続に空きがありません（{why}）。")
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_preferred_language_of_the_two_is_taken() {
        for (accept, language) in [
            ("", Language::En),
            ("ja", Language::Ja),
            ("ja-JP,ja;q=0.9,en;q=0.8", Language::Ja),
            ("en-GB, ja;q=0.9", Language::En),
            ("en;q=0.3, JA;q=0.7", Language::Ja),
            ("de, fr;q=0.9", Language::En),
            ("de, ja;q=0.1", Language::Ja),
            ("ja;q=x, en;q=0.1", Language::En),
            ("ja;q=0", Language::En),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(accept));
            assert_eq!(Language::of(&headers), language, "{accept}");
        }
    }
}
