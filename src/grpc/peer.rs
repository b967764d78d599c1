//! Which customer a client certificate vouches for.

use tonic::transport::CertificateDer;
use webpki::EndEntityCert;

/// How the certificates of customers are named: the customer's id, with something fixed around it, as
/// a subject alternative name. A certificate's common name counts for nothing (RFC 9525).
#[derive(Debug, Clone)]
pub struct PeerName {
    kind: Kind,
    before: String,
    after: String,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Dns,
    Uri,
}

impl PeerName {
    /// A DNS name: the customer's id, then this, such as `.customers.example.com`.
    #[must_use]
    pub fn dns(after: impl Into<String>) -> Self {
        Self { kind: Kind::Dns, before: String::new(), after: after.into() }
    }

    /// A URI: this, such as `spiffe://example.com/customer/`, then the customer's id.
    #[must_use]
    pub fn uri(before: impl Into<String>) -> Self {
        Self { kind: Kind::Uri, before: before.into(), after: String::new() }
    }

    /// Whether a certificate, which the TLS layer has verified, has the customer's name, byte for byte.
    pub(super) fn vouches(&self, certificate: &CertificateDer<'_>, customer: &str) -> bool {
        let Ok(certificate) = EndEntityCert::try_from(certificate) else { return false };
        let is_wanted = |name: &str| {
            name.strip_prefix(self.before.as_str()).and_then(|name| name.strip_suffix(self.after.as_str()))
                == Some(customer)
        };
        match self.kind {
            Kind::Dns => certificate.valid_dns_names().any(is_wanted),
            Kind::Uri => certificate.valid_uri_names().any(is_wanted),
        }
    }
}
