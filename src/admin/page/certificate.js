// Certificates of an authority of one's own, in the shape that lethectl makes them (src/net/tls_certificate.c).
import {hex, random, sha256, unbase64url} from './bytes.js';
import * as der from './der.js';
import {addressBytes} from './names.js';

const DAY = 24 * 60 * 60 * 1000, CA_DAYS = 3650, LEAF_DAYS = 397;
const P256 = {name: 'ECDSA', namedCurve: 'P-256'};
const CURVE = '1.2.840.10045.3.1.7', EC_KEY = '1.2.840.10045.2.1', SIGNED = '1.2.840.10045.4.3.2';
const COMMON_NAME = '2.5.4.3', SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const SUBJECT_ID = '2.5.29.14', USAGE = '2.5.29.15', ALT_NAMES = '2.5.29.17', CONSTRAINTS = '2.5.29.19';
const ISSUER_ID = '2.5.29.35', PURPOSE = '2.5.29.37';

const nameOf = text => der.sequence(der.set(der.sequence(der.oid(COMMON_NAME), der.text(text))));
const extension = (id, critical, ...parts) =>
  der.sequence(der.oid(id), critical ? der.truth() : [], der.octets(...parts));

// A fresh pair: to sign with, its public point, and the private key as a file.
async function makeKey() {
  const pair = await crypto.subtle.generateKey(P256, true, ['sign', 'verify']);
  const point = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey));
  const secret = unbase64url((await crypto.subtle.exportKey('jwk', pair.privateKey)).d);
  const file = der.sequence(der.integer([1]), der.octets(secret), der.inside(0, der.oid(CURVE)),
    der.inside(1, der.bits(point)));
  const id = new Uint8Array(await crypto.subtle.digest('SHA-1', point));
  const key = {sign: pair.privateKey, point, id, pem: der.pem('EC PRIVATE KEY', file)};
  secret.fill(0);
  file.fill(0);
  return key;
}

const altName = name => {
  const address = addressBytes(name);
  return address ? der.tagged(7, address) : der.tagged(2, new TextEncoder().encode(name));
};

function extensions({authority, names, key, issuer}) {
  const usage = authority ? der.bits([0x06], 1) : der.bits([0x80], 7);
  const list = [extension(CONSTRAINTS, authority, authority ? der.sequence(der.truth(), der.integer([0]))
    : der.sequence()), extension(USAGE, true, usage)];
  if (!authority)
    list.push(extension(PURPOSE, true, der.sequence(der.oid(SERVER_AUTH))));
  list.push(extension(SUBJECT_ID, false, der.octets(key.id)),
    extension(ISSUER_ID, false, der.sequence(der.tagged(0, issuer.id))));
  if (names)
    list.push(extension(ALT_NAMES, false, der.sequence(...names.map(altName))));
  return der.inside(3, der.sequence(...list));
}

async function sign(key, body) {
  const rs = new Uint8Array(await crypto.subtle.sign({name: 'ECDSA', hash: 'SHA-256'}, key.sign, body));
  return der.bits(der.sequence(der.integer(rs.subarray(0, 32)), der.integer(rs.subarray(32))));
}

async function issue(subject, days, {names, key, issuer, issuerName}) {
  const serial = random(16), now = Date.now();
  serial[0] = serial[0] & 0x7f | 0x40; // positive, and never shorter
  const algorithm = der.sequence(der.oid(SIGNED));
  const publicKey = der.sequence(der.sequence(der.oid(EC_KEY), der.oid(CURVE)), der.bits(key.point));
  const from = new Date(now - DAY), to = new Date(now + days * DAY); // a day back: clocks differ
  const body = der.sequence(der.inside(0, der.integer([2])), der.integer(serial), algorithm, nameOf(issuerName),
    der.sequence(der.time(from), der.time(to)), nameOf(subject), publicKey,
    extensions({authority: !names, names, key, issuer}));
  return der.sequence(body, algorithm, await sign(issuer, body));
}

const CA_NAME = 'Lethe box CA';

// {certificate, key}: PEM; `fingerprint` is the certificate's, of its bytes.
async function pairOf(subject, days, more) {
  const bytes = await issue(subject, days, more);
  return {certificate: der.pem('CERTIFICATE', bytes), key: more.key.pem, fingerprint: hex(await sha256(bytes))};
}

// An authority and two certificates of it, for callers and for operators, over the same names.
export async function makeCertificates(names) {
  const subject = names[0].length <= 64 ? names[0] : 'Lethe box';
  const own = await makeKey();
  const ca = await pairOf(CA_NAME, CA_DAYS, {key: own, issuer: own, issuerName: CA_NAME});
  const leaf = async () => pairOf(subject, LEAF_DAYS, {names, key: await makeKey(), issuer: own, issuerName: CA_NAME});
  return {ca, server: await leaf(), admin: await leaf()};
}
