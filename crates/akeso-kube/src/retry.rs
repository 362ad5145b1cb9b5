//! Which requests the client may send again by itself: those that only read.
//!
//! kube's own policy sends every request again on 429, 503 and 504. A change must not be: it may
//! have been made before the 504, and the 429 of a disruption budget is an answer. What becomes of
//! a change is for [`crate::apply`] to find out.

use http::{Method, Request, Response};
use kube::client::{Body, retry::RetryPolicy};
use tower::{BoxError, retry::Policy};

#[derive(Clone)]
pub(crate) struct Reads(RetryPolicy);

impl Reads {
    /// As often and as long as kube does, with regard to `Retry-After`.
    pub(crate) fn new() -> Self {
        Self(RetryPolicy::server_retry())
    }
}

impl<B> Policy<Request<Body>, Response<B>, BoxError> for Reads {
    type Future = tokio::time::Sleep;

    fn retry(
        &mut self,
        request: &mut Request<Body>,
        result: &mut Result<Response<B>, BoxError>,
    ) -> Option<Self::Future> {
        self.0.retry(request, result)
    }

    /// A request that is not cloned is not sent again.
    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        if request.method() != Method::GET {
            return None;
        }
        Policy::<_, Response<B>, _>::clone_request(&mut self.0, request)
    }
}
