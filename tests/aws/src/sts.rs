//! STS: who may assume a role, and how long it lasts. Keys come from moto where it is there, so that it knows them too.

use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt as _, Full};
use hyper::Response;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use jiff::Timestamp;

use crate::refusal::{self, Refusal, STS, escaped};
use crate::request::{Asked, field};
use crate::roles::{self, Caller, Keys};
use crate::server::{Shared, Trouble};
use crate::{forward, ids};

/// What `AssumeRole` is asked for, as the AWS STS API Reference has it.
#[derive(Debug)]
struct Request {
    arn: String,
    session: String,
    external_id: Option<String>,
    duration: Duration,
}

/// Answers a call of STS.
pub(crate) async fn answer(
    shared: &Shared,
    asked: &Asked,
    caller: &Caller,
    parts: Parts,
    body: Bytes,
) -> Result<Response<Full<Bytes>>, Trouble> {
    match &*asked.operation {
        "AssumeRole" => {}
        "GetCallerIdentity" if shared.moto.is_none() => return Ok(identity(caller, &asked.access_key)),
        _ => return forward::to_moto(shared, asked, parts, body).await,
    }
    let request = Request::parse(&body, caller).map_err(|refusal| Trouble::refused(asked, &refusal))?;
    let life = {
        let roles = &shared.state().roles;
        if !roles.may_assume(caller, &request.arn, request.external_id.as_deref()) {
            let message = format!(
                "User: {} is not authorized to perform: sts:AssumeRole on resource: {}",
                caller.arn(),
                request.arn
            );
            return Err(Trouble::refused(asked, &Refusal::denied(asked, message)));
        }
        roles.life.unwrap_or(request.duration)
    };
    let mut xml = match shared.moto {
        Some(_) => {
            let answer = forward::to_moto(shared, asked, parts, body).await?;
            if !answer.status().is_success() {
                return Ok(answer);
            }
            text_of(answer).await
        }
        None => made(&request),
    };
    // Whole seconds are what the answer can say.
    let end = Timestamp::try_from(SystemTime::now() + life).map_or(0, Timestamp::as_second) + 1;
    let end = Timestamp::from_second(end).unwrap_or(Timestamp::MAX);
    let Some(key) = between(&xml, "AccessKeyId").map(str::to_owned) else {
        return Err(Trouble::refused(asked, &Refusal::failed(asked)));
    };
    replace(&mut xml, "Expiration", &end.to_string());
    shared.state().roles.learn(&key, &request.arn, &request.session, Some(end.into()));
    Ok(refusal::answer(200, "text/xml", xml))
}

/// Keys for a role that nobody's policies were asked for and that do not expire.
pub(crate) async fn keys_of(shared: &Shared, role: &str) -> Result<Keys, String> {
    let request = Request {
        arn: role.to_owned(),
        session: "test".to_owned(),
        external_id: None,
        duration: Duration::from_secs(3_600),
    };
    let xml = match &shared.moto {
        Some(moto) => forward::assume(moto, role).await?,
        None => made(&request),
    };
    let part = |tag| between(&xml, tag).map(str::to_owned).ok_or_else(|| format!("no {tag} in what moto answered"));
    let keys = Keys {
        access_key_id: part("AccessKeyId")?,
        secret_access_key: part("SecretAccessKey")?,
        session_token: part("SessionToken")?,
    };
    shared.state().roles.learn(&keys.access_key_id, role, &request.session, None);
    Ok(keys)
}

impl Request {
    fn parse(body: &[u8], caller: &Caller) -> Result<Self, Refusal> {
        let invalid = |message: String| Refusal::new(400, "ValidationError", message);
        let text = |name| field(body, name).ok_or_else(|| invalid(format!("The request must contain {name}")));
        let (arn, session) = (text("RoleArn")?, text("RoleSessionName")?);
        if !roles::is_role(&arn) {
            return Err(invalid(format!("{arn} is invalid")));
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        if !(2..=64).contains(&session.len()) || !session.chars().all(fits) {
            return Err(invalid(format!("Value '{session}' at 'roleSessionName' failed to satisfy constraint")));
        }
        let seconds = match field(body, "DurationSeconds") {
            None => 3_600,
            Some(text) => {
                text.parse().ok().filter(|seconds| (900..=43_200).contains(seconds)).ok_or_else(|| {
                    invalid(format!("Value '{text}' at 'durationSeconds' failed to satisfy constraint"))
                })?
            }
        };
        // "Role chaining limits your role session to a maximum of one hour."
        if seconds > 3_600 && caller.role.is_some() {
            let message = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role \
                           chaining";
            return Err(invalid(message.to_owned()));
        }
        Ok(Self { arn, session, external_id: field(body, "ExternalId"), duration: Duration::from_secs(seconds) })
    }
}

/// An answer of our own to `AssumeRole`.
fn made(request: &Request) -> String {
    let Request { arn, session, .. } = request;
    let account = roles::account_of(arn).unwrap_or(roles::HOME);
    let name = roles::name_of(arn);
    let (key, secret, token) = (format!("ASIA{}", ids::capitals(16)), ids::letters(40), ids::letters(300));
    let (role_id, request_id) = (format!("AROA{}", ids::capitals(17)), ids::uuid());
    format!(
        "<AssumeRoleResponse xmlns=\"{STS}\"><AssumeRoleResult><Credentials><AccessKeyId>{key}</AccessKeyId>\
         <SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken><Expiration></Expiration>\
         </Credentials><AssumedRoleUser><AssumedRoleId>{role_id}:{session}</AssumedRoleId>\
         <Arn>arn:aws:sts::{account}:assumed-role/{name}/{session}</Arn></AssumedRoleUser></AssumeRoleResult>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></AssumeRoleResponse>"
    )
}

fn identity(caller: &Caller, key: &str) -> Response<Full<Bytes>> {
    let (arn, account, request_id) = (caller.arn(), &caller.account, ids::uuid());
    let user = caller.role.as_ref().map_or(key.to_owned(), |role| format!("{}:{}", role.id, role.session));
    let xml = format!(
        "<GetCallerIdentityResponse xmlns=\"{STS}\"><GetCallerIdentityResult><Arn>{}</Arn><UserId>{}</UserId>\
         <Account>{account}</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>{request_id}</RequestId>\
         </ResponseMetadata></GetCallerIdentityResponse>",
        escaped(&arn),
        escaped(&user)
    );
    refusal::answer(200, "text/xml", xml)
}

async fn text_of(answer: Response<Full<Bytes>>) -> String {
    let body = answer.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    String::from_utf8_lossy(&body).into_owned()
}

/// What stands in an element of which there is one.
fn between<'a>(xml: &'a str, tag: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{tag}>"))?;
    rest.split_once(&format!("</{tag}>")).map(|(text, _)| text.trim())
}

fn replace(xml: &mut String, tag: &str, text: &str) {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    if let Some((before, rest)) = xml.split_once(&open)
        && let Some((_, after)) = rest.split_once(&close)
    {
        *xml = format!("{before}{open}{text}{close}{after}");
    }
}
