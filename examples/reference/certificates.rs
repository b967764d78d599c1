//! Certificates made on the spot: an authority, and who it vouches for.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// Why something does not start.
pub type Failure = Box<dyn Error + Send + Sync>;

/// An authority that signs certificates for servers and clients.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub certificate: String,
}

/// A certificate and its private key, as PEM.
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Result<Self, Failure> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// Vouches for these DNS names and IP addresses.
    pub fn issue(&self, names: &[&str]) -> Result<Identity, Failure> {
        let key = KeyPair::generate()?;
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Identity { certificate, key: key.serialize_pem() })
    }
}

impl Identity {
    /// Writes certificate and key into a folder, for who takes files.
    pub fn write(&self, folder: &Path, name: &str) -> Result<[PathBuf; 2], Failure> {
        let paths = [folder.join(format!("{name}.crt")), folder.join(format!("{name}.key"))];
        fs::write(&paths[0], &self.certificate)?;
        fs::write(&paths[1], &self.key)?;
        Ok(paths)
    }
}
