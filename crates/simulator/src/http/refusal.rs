//! Error answers in the shapes of the API.

use std::fmt::Display;

use serde_json::{Value, json};

/// One entry of the error code table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub u64, pub &'static str);

#[allow(missing_docs, reason = "the API's own words")]
impl Code {
    pub const BAD_REQUEST: Self = Self(1000, "BadRequest");
    pub const INVALID_CREDENTIALS: Self = Self(1101, "InvalidCredentials");
    pub const INVALID_TOKEN: Self = Self(1102, "InvalidToken");
    pub const TOKEN_EXPIRED: Self = Self(1103, "TokenExpired");
    pub const FORBIDDEN: Self = Self(1104, "Forbidden");
    pub const TOO_MANY_REQUESTS: Self = Self(1105, "TooManyRequests");
    pub const NOT_FOUND: Self = Self(1201, "NotFound");
    pub const INVALID_QUERY: Self = Self(1301, "InvalidQueryCriteria");
    pub const INVALID_SORT: Self = Self(1302, "InvalidSortCriteria");
    pub const VALIDATION_FAILED: Self = Self(1400, "InputValidationFailed");
    pub const INVALID_REFERENCE: Self = Self(1401, "InvalidReference");
    pub const REQUIRED: Self = Self(1402, "Required");
    pub const INVALID_FORMAT: Self = Self(1403, "InvalidFormat");
    pub const DUPLICATED: Self = Self(1405, "Duplicated");
    pub const NOT_ALLOWED: Self = Self(1406, "NotAllowed");
    pub const UNAVAILABLE: Self = Self(1601, "Unavailable");
}

/// One error: code and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// What is wrong.
    pub code: Code,
    /// In words.
    pub message: String,
}

impl Issue {
    /// One error.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A required field is missing.
    pub fn required(field: &str) -> Self {
        Self::new(Code::REQUIRED, format!("{field} is required"))
    }

    /// A field cannot be read.
    pub fn format(field: &str) -> Self {
        Self::new(Code::INVALID_FORMAT, format!("{field} has an invalid format"))
    }

    /// A field refers to nothing.
    pub fn reference(field: &str) -> Self {
        Self::new(Code::INVALID_REFERENCE, format!("{field}: the referenced object does not exist"))
    }

    /// A field of a device refers to nothing. [R]
    pub fn not_found(what: &str, id: impl Display) -> Self {
        Self::new(Code::INVALID_REFERENCE, not_found(what, id))
    }

    fn json(&self) -> Value {
        json!({"error_code": self.code.0, "error_token": self.code.1, "message": self.message})
    }
}

fn not_found(what: &str, id: impl Display) -> String {
    format!("{what} with Id '{id}' not found.")
}

/// How an error is written, by the letters of the dossier.
#[derive(Debug, Clone, PartialEq)]
enum Shape {
    /// One error. [R]
    A(Issue),
    /// A wrapper with a list. [R]
    B { message: &'static str, issues: Vec<Issue> },
    /// Only a message; of the gateway's authoriser where marked. [R]
    C { message: String, gateway: bool },
    /// Nothing, as `text/html`. [R]
    D,
    /// Status and message. [S]
    E(String),
    /// Status, message and errors with their SIMs. [S]
    F { message: String, errors: Value },
    /// Like B with the status beside it. [S]
    G { message: &'static str, issues: Vec<Issue> },
}

/// An error answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    shape: Shape,
    /// Value of `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
}

impl Refusal {
    fn new(status: u16, shape: Shape) -> Self {
        Self { status, shape, retry_after: None }
    }

    /// Shape A with any status and code.
    pub fn coded(status: u16, code: Code, message: impl Into<String>) -> Self {
        Self::new(status, Shape::A(Issue::new(code, message)))
    }

    /// 400, code 1000: a path id or body that cannot be read. [R]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::coded(400, Code::BAD_REQUEST, message)
    }

    /// 404, code 1201. [D]
    pub fn not_found(what: &str) -> Self {
        Self::coded(404, Code::NOT_FOUND, format!("{what} was not found"))
    }

    /// 404, code 1401: the addressed device or SIM itself is missing. [R]
    pub fn missing(what: &str, id: impl Display) -> Self {
        Self::coded(404, Code::INVALID_REFERENCE, not_found(what, id))
    }

    /// 403, code 1104. [D]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::coded(403, Code::FORBIDDEN, message)
    }

    /// 409, code 1405: it is there already. [R]
    pub fn duplicated(message: impl Into<String>) -> Self {
        Self::coded(409, Code::DUPLICATED, message)
    }

    /// 409, code 1406: still used, or not in this state.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::coded(409, Code::NOT_ALLOWED, message)
    }

    /// 422, shape B. [R]
    pub fn invalid(issues: Vec<Issue>) -> Self {
        Self::new(422, Shape::B { message: "Input validation failed", issues })
    }

    /// The same from a PATCH of a device, in its words. [R]
    pub fn invalid_update(issues: Vec<Issue>) -> Self {
        Self::new(422, Shape::B { message: "Update endpoint validation error", issues })
    }

    /// 422, shape G: what `POST /endpoint` answers today. [S]
    pub fn invalid_with_status(issues: Vec<Issue>) -> Self {
        Self::new(422, Shape::G { message: "Create endpoint validation error", issues })
    }

    /// Only a message. [S]
    pub fn message(status: u16, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::new(status, Shape::C { message, gateway: false })
    }

    /// 401 of the gateway's authoriser: a token that is none. [R]
    pub fn gateway() -> Self {
        let message = "token contains an invalid number of segments".to_owned();
        Self::new(401, Shape::C { message, gateway: true })
    }

    /// No body at all. [R]
    pub fn empty(status: u16) -> Self {
        Self::new(status, Shape::D)
    }

    /// Status and message: eUICC and SIM operations. [S]
    pub fn with_status(status: u16, message: impl Into<String>) -> Self {
        Self::new(status, Shape::E(message.into()))
    }

    /// 409 of a SIM migration. [S]
    pub fn migration(message: impl Into<String>, errors: Value) -> Self {
        let message = message.into();
        Self::new(409, Shape::F { message, errors })
    }

    /// 429, code 1105, without `Retry-After`. [D]
    pub fn too_many() -> Self {
        Self::coded(429, Code::TOO_MANY_REQUESTS, "Too many requests")
    }

    /// Whether the gateway answers instead of a back end.
    pub fn by_gateway(&self) -> bool {
        matches!(self.shape, Shape::C { gateway: true, .. })
    }

    /// The body, if there is one.
    pub fn body(&self) -> Option<Value> {
        let list = |issues: &[Issue]| issues.iter().map(Issue::json).collect::<Vec<_>>();
        let wrapper = |message: &str, issues: &[Issue]| {
            let mut body = Issue::new(Code::VALIDATION_FAILED, message).json();
            body["errors"] = list(issues).into();
            body
        };
        match &self.shape {
            Shape::A(issue) => Some(issue.json()),
            Shape::B { message, issues } => Some(wrapper(message, issues)),
            Shape::C { message, .. } => Some(json!({"message": message})),
            Shape::D => None,
            Shape::E(message) => Some(json!({"status_code": self.status, "message": message})),
            Shape::F { message, errors } => {
                Some(json!({"status_code": self.status, "message": message, "errors": errors}))
            }
            Shape::G { message, issues } => {
                let mut body = wrapper(message, issues);
                body["status_code"] = self.status.into();
                Some(body)
            }
        }
    }
}
