// The steps of a set-up, in the order of lethectl setup (src/prog/lethectl_setup.c): the first that fails ends it.
import {Refusal} from './box.js';
import {blake2b} from './blake2b.js';
import {hex, random, wipe} from './bytes.js';
import {makeCertificates} from './certificate.js';
import {credential, lethe, wantsRoots} from './compose.js';
import {makeClientKey, makeToken} from './keys.js';
import {NAMES, covers} from './names.js';

// As lethectl has them: src/prog/lethectl.h.
const PASSES = 3, MEMORY = 256 * 1024 * 1024, MEMORY_LIGHT = 64 * 1024 * 1024;
const ANEW = 'Choose factory reset on the console and begin anew';

// Argon2id in a worker, which ends with its memory.
function stretch(passphrase, salt, memoryBytes, told) {
  return new Promise((resolve, reject) => {
    const worker = new Worker('/page/argon2_worker.js', {type: 'module'});
    const end = settle => {
      worker.terminate();
      settle();
    };
    worker.onerror = () => end(() => reject(new Refusal('The browser did not make a key of the passphrase',
      'Reload this page and try again, or use lethectl setup.')));
    worker.onmessage = ({data}) => {
      if (data.key)
        end(() => resolve(data.key));
      else if (data.fault)
        end(() => reject(new Refusal('There is not enough free memory here for the passphrase',
          'Close other pages, or choose 64 MiB (under More).')));
      else
        told(data.done);
    };
    worker.postMessage({passphrase, salt, passes: PASSES, memoryBytes});
  });
}

async function certificates(s) {
  s.secrets = s.takeSecrets();
  const names = s.answers.hosts.slice();
  if (!covers(names, s.adminHost) && names.length < NAMES)
    names.push(s.adminHost);
  s.made.certificates = await makeCertificates(names);
  s.made.token = await makeToken();
  s.made.clientKey = makeClientKey();
}

async function policy(s) {
  const r = await fetch('/page/default-policy.json').catch(() => null);
  if (!r || !r.ok)
    throw new Refusal('The box did not give its policy', 'Reload this page and try again.');
  s.policy = await r.text();
}

// What opens the vault, as the box takes it: a key made here, sealed.
async function opener(s) {
  const {answers} = s, salt = random(16), keyFile = answers.opens === 'key-file';
  const memory = answers.light ? MEMORY_LIGHT : MEMORY;
  if (keyFile) {
    s.kept.keyFile ??= random(32);
    await s.page.save(s.kept.keyFile);
  }
  const key = keyFile ? blake2b(salt, 32, s.kept.keyFile)
    : await stretch(s.secrets.passphrase, salt, memory, done => s.page.stretched(done));
  wipe(s.secrets.passphrase);
  s.slot = {kind: keyFile ? 'key-file' : 'passphrase', salt: hex(salt), ops: keyFile ? 0 : PASSES,
    mem_bytes: keyFile ? 0 : memory, sealed: hex(await s.box.sealed(key))};
  wipe(key);
}

// A set-up that broke off has left a vault: it opens by what is chosen now, and by nothing else.
async function vault(s) {
  try {
    if (s.box.told.state !== 'open') {
      await s.box.ask('POST', '/admin/v1/setup/vault', s.slot);
      return;
    }
    await s.box.ask('POST', '/admin/v1/vault/slots', s.slot);
    for (const slot of s.box.told.slots)
      await s.box.ask('DELETE', `/admin/v1/vault/slots/${slot.index}`);
  } catch (e) {
    throw new Refusal(e.message.trim(), `${ANEW}.`);
  }
}

async function vendorKey(s) {
  if (s.answers.vendorKeyWanted)
    await s.box.postSealed('/admin/v1/vault/credentials', credential(s.answers, s.secrets.vendorKey));
}

async function clientKey(s) {
  const said = await s.box.postSealed('/admin/v1/keys/hash', s.made.clientKey.hashed);
  const made = {clientKeyId: s.made.clientKey.id, clientKeyHash: said.hash, tokenHash: s.made.token.hash};
  s.made.lethe = lethe(s.answers, made, s.adminHost);
}

async function tpm(s) {
  try {
    await s.box.ask('POST', '/admin/v1/vault/slots', {kind: 'tpm'});
  } catch (e) {
    throw new Refusal(e.message.trim(), `The TPM could not be bound to. ${ANEW} with person or key file.`);
  }
}

async function config(s) {
  const {server, admin} = s.made.certificates;
  const files = {'lethe.json': s.made.lethe, 'policy.json': s.policy, 'tls/server.crt': server.certificate,
    'tls/server.key': server.key, 'tls/admin.crt': admin.certificate, 'tls/admin.key': admin.key};
  if (wantsRoots(s.answers))
    files['ca/public.pem'] = s.roots;
  await s.box.putConfig(files, s.answers.opens);
}

const STEPS = [
  ['asking the box what it is', s => s.box.describe()],
  ['proving the claim code', s => s.box.prove()],
  ['making certificates and keys in this browser', certificates],
  ['fetching the policy to begin with', policy],
  ['making what opens the vault', opener],
  ['making the vault', vault],
  ['keeping the vendor key in it', vendorKey],
  ['making the first client key', clientKey],
  ['binding to the TPM', tpm],
  ['sending the configuration', config],
];

// s: {answers, roots, box, adminHost, kept, page, takeSecrets}. `page` shows how far it is. Returns what was made; what
// was taken of the secrets stands in s.secrets.
export async function setUp(s) {
  s.made = {};
  for (const [text, step] of STEPS) {
    if (step === tpm && s.answers.opens !== 'tpm')
      continue;
    s.page.step(text);
    await step(s);
    s.page.done();
  }
  return s.made;
}

// Whether it serves, within a minute. A browser that does not know the new authority gets no answer at all from then
// on: more of that than the admin role takes to start again is not waited for.
export async function serves() {
  for (let tries = 0, silent = 0; tries < 60 && silent < 15; tries++) {
    const r = await fetch('/readyz').catch(() => null);
    if (r?.ok)
      return true;
    silent = r ? 0 : silent + 1;
    await new Promise(resolve => setTimeout(resolve, 1000));
  }
  return false;
}
