//! Faults `ingress-tls-secret-unusable` and `ingress-certificate-invalid`: an Ingress cannot serve
//! what it is to serve by TLS.

use super::{Diagnosis, Examination, Family, Fault};
use crate::observe::{Flaw, Symptom};

pub(super) const SECRET: Fault = Fault {
    name: "ingress-tls-secret-unusable",
    family: Family::Service,
    signs: "the Secret that an Ingress names for TLS does not exist, or has no certificate or no key",
    does: "names the Secret, what it lacks and the hosts; nothing of a Secret is kept but what its certificate says to everybody",
    never: "makes a certificate, or puts another Secret in its place",
    diagnose: secret,
};

pub(super) const CERTIFICATE: Fault = Fault {
    name: "ingress-certificate-invalid",
    family: Family::Service,
    signs: "the certificate that an Ingress names has expired, is not valid yet, or is for other hosts",
    does: "names the Secret, the time or the hosts",
    never: "renews a certificate",
    diagnose: certificate,
};

fn secret(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let why = "a Secret of type kubernetes.io/tls with tls.crt and tls.key must be there; browsers get the controller's own certificate until then";
    examination.flawed(&SECRET, symptom, Flaw::TlsSecretUnusable, (95, why))
}

fn certificate(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let why = "the certificate must be issued anew, for these hosts; if cert-manager does that, its Certificate says why it has not (kubectl describe certificate)";
    examination.flawed(&CERTIFICATE, symptom, Flaw::CertificateInvalid, (95, why))
}
