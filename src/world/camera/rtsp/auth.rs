//! Answers to authentication challenges of RTSP and HTTP: digest (MD5, SHA-256, with and without
//! `qop`) and basic.
//!
//! It keeps the last challenge for the whole connection, so that only the first request is asked
//! twice. It sends nothing itself and decides nothing about a refused password.

use std::sync::Arc;

use http_auth::{PasswordClient, PasswordParams};

use super::message::Headers;
use crate::model::secret::Secret;

/// User name and password for one camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user name.
    pub user: Arc<str>,
    /// The password.
    pub password: Secret,
}

/// Why a challenge cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// The camera wants credentials and none are configured.
    #[error("the camera asks for a user name and password, and none are set")]
    NoLogin,
    /// No challenge, or none of a kind that is spoken here.
    #[error("the camera asks for an unknown kind of authentication")]
    Unknown,
}

/// Answers challenges on one connection.
#[derive(Default)]
pub struct Authenticator {
    login: Option<Login>,
    client: Option<PasswordClient>,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").field("login", &self.login).finish_non_exhaustive()
    }
}

impl Authenticator {
    /// Nothing has been asked yet.
    pub fn new(login: Option<Login>) -> Self {
        Self { login, client: None }
    }

    /// The `Authorization` header for a request, once the camera has asked for one.
    pub fn authorization(&mut self, method: &str, uri: &str) -> Option<String> {
        let (login, client) = (self.login.as_ref()?, self.client.as_mut()?);
        let params = PasswordParams {
            username: &login.user,
            password: login.password.expose(),
            uri,
            method,
            body: Some(&[]),
        };
        client.respond(&params).ok()
    }

    /// Takes the challenge of a 401 over, digest before basic. True says that the camera called
    /// the former answer merely out of date.
    pub fn challenged(&mut self, headers: &Headers) -> Result<bool, ChallengeError> {
        if self.login.is_none() {
            return Err(ChallengeError::NoLogin);
        }
        let mut builder = PasswordClient::builder();
        for value in headers.all("www-authenticate") {
            builder = builder.challenges(value);
        }
        let client = builder.build().map_err(|_| ChallengeError::Unknown)?;
        let stale = matches!(&client, PasswordClient::Digest(digest) if digest.stale());
        self.client = Some(client);
        Ok(stale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knows(user: &str, password: &str) -> Authenticator {
        let login = Login { user: user.into(), password: Secret::new(password) };
        Authenticator::new(Some(login))
    }

    fn headers(challenges: &[&str]) -> Headers {
        let mut headers = Headers::default();
        for challenge in challenges {
            headers.push("WWW-Authenticate", challenge);
        }
        headers
    }

    fn answer(challenges: &[&str]) -> String {
        let mut auth = knows("Mufasa", "Circle Of Life");
        auth.challenged(&headers(challenges)).unwrap();
        auth.authorization("GET", "/dir/index.html").unwrap()
    }

    /// The vector of RFC 2617 section 3.5 with the answer that RFC 2069 would give.
    #[test]
    fn a_digest_without_qop_is_answered_as_old_cameras_want_it() {
        let text = answer(&["Digest realm=\"testrealm@host.com\", \
             nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\""]);
        assert!(text.contains("response=\"670fd8c2df070c60b045671b8b24ff02\""), "{text}");
        assert!(text.contains("uri=\"/dir/index.html\"") && !text.contains("qop"), "{text}");
    }

    /// RFC 7616 section 3.9.1.
    #[test]
    fn digests_of_the_rfc_give_the_rfcs_answers() {
        let challenge = |algorithm: &str| {
            format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
                 algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            )
        };
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let vectors = [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ];
        for (algorithm, response) in vectors {
            let client = PasswordClient::try_from(challenge(algorithm).as_str()).unwrap();
            let PasswordClient::Digest(mut digest) = client else { panic!("not digest") };
            let params = PasswordParams {
                username: "Mufasa",
                password: "Circle of Life",
                uri: "/dir/index.html",
                method: "GET",
                body: None,
            };
            let text = digest.respond_with_testing_cnonce(&params, cnonce).unwrap();
            assert!(text.contains(response), "{algorithm}: {text}");
        }
    }

    #[test]
    fn digest_is_chosen_when_basic_is_offered_too() {
        let text = answer(&["Basic realm=\"a\"", "Digest realm=\"a\", nonce=\"b\""]);
        assert!(text.starts_with("Digest "), "{text}");
        assert_eq!(answer(&["Basic realm=\"a\""]), "Basic TXVmYXNhOkNpcmNsZSBPZiBMaWZl");
    }

    #[test]
    fn a_stale_nonce_is_told_from_a_refusal() {
        let mut auth = knows("u", "p");
        let stale = "Digest realm=\"a\", nonce=\"b\", stale=TRUE";
        assert_eq!(auth.challenged(&headers(&[stale])), Ok(true));
        assert_eq!(auth.challenged(&headers(&["Digest realm=\"a\", nonce=\"c\""])), Ok(false));
    }

    #[test]
    fn challenges_that_cannot_be_answered_say_why() {
        let mut auth = Authenticator::new(None);
        let basic = headers(&["Basic realm=\"a\""]);
        assert_eq!(auth.challenged(&basic), Err(ChallengeError::NoLogin));
        let mut auth = knows("u", "p");
        assert_eq!(auth.challenged(&headers(&[])), Err(ChallengeError::Unknown));
        let negotiate = headers(&["Negotiate"]);
        assert_eq!(auth.challenged(&negotiate), Err(ChallengeError::Unknown));
        assert!(!format!("{auth:?}").contains("\"p\""));
    }
}
