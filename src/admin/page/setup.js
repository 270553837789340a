// Setting a box up on this page: the form, how far it is, and what there is to keep at the end.
import {answers, claimCode, faultOf, follow, rootsText, takeSecrets} from './answers.js';
import {Box} from './box.js';
import {baseUrl, lineToTry} from './compose.js';
import {at, offer, say} from './elements.js';
import {canSeal} from './seal.js';
import {serves, setUp} from './steps.js';
import {wipe} from './bytes.js';

const UNFIT = 'This browser cannot seal what the box must not read: it lacks X25519 or modules in workers. Use Chrome '
  + 'or Edge 133, Firefox 130, Safari 17 or newer, or lethectl setup. Nothing was sent.';

const adminHost = location.hostname.replace(/^\[|\]$/g, '');
// Kept from try to try, so that a key file that was saved stays the one that counts.
const kept = {};

function complain(text, id) {
  at('trouble').textContent = text;
  for (const field of document.querySelectorAll('[aria-invalid]')) {
    field.removeAttribute('aria-invalid');
    field.removeAttribute('aria-errormessage');
  }
  if (!id)
    return;
  const field = at(id), folded = field.closest('details');
  if (folded)
    folded.open = true;
  field.setAttribute('aria-invalid', 'true');
  field.setAttribute('aria-errormessage', 'trouble');
  field.focus();
}

// ---- how far it is ----

const page = {
  step(text) {
    const item = document.createElement('li');
    item.textContent = text;
    at('steps').append(item);
  },
  done() {
    at('steps').lastChild.textContent += ': done';
    at('stretched').hidden = true;
  },
  stretched(part) {
    at('stretched').hidden = false;
    at('stretched').value = part;
  },
  // The vault is not made before its only key is somewhere else than in this page.
  save(keyFile) {
    offer(at('save-link'), 'vault.key', keyFile);
    at('save').hidden = false;
    at('save-title').focus();
    return new Promise(resolve => {
      at('saved').onclick = () => {
        at('save').hidden = true;
        resolve();
      };
    });
  },
};

// ---- the end ----

function grouped(fingerprint) {
  return fingerprint.match(/.{4}/g).join(' ');
}

function offerFiles(a, made) {
  const {ca} = made.certificates;
  const files = [
    ['ca.crt', ca.certificate, 'callers trust it: SSL_CERT_FILE, NODE_EXTRA_CA_CERTS'],
    ['ca.key', ca.key, 'secret: who has it can make certificates that your callers trust'],
    ['admin.token', made.token.text + '\n', 'secret: for this page and lethectl'],
    ['lethe.json', made.lethe, 'the configuration that was sent'],
  ];
  if (a.opens === 'key-file')
    files.push(['vault.key', kept.keyFile, 'secret: copy it to a FAT stick labelled LETHECFG, and keep another copy '
      + 'elsewhere: without it all is lost']);
  at('files').replaceChildren(...files.map(([name, content, why]) => {
    const item = document.createElement('li'), link = document.createElement('a');
    offer(link, name, content);
    item.append(link, ` (${why})`);
    return item;
  }));
}

async function showEnd(a, made) {
  at('end-url').textContent = baseUrl(a);
  at('end-key').textContent = made.clientKey.text;
  at('end-line').textContent = lineToTry(a, made.clientKey.text);
  at('end-admin').textContent = `lethectl --admin ${location.origin} --token-file admin.token --ca ca.crt`;
  at('end-fingerprint').textContent = grouped(made.certificates.admin.fingerprint);
  at('end-authority').textContent = grouped(made.certificates.ca.fingerprint);
  at('end-link').href = location.origin + '/';
  offerFiles(a, made);
  at('setup').hidden = true;
  at('end').hidden = false;
  at('end-title').focus();
  say('serves', 'The configuration is stored. Waiting until the box serves.', true);
  if (await serves())
    say('serves', 'It serves.', true);
  else
    say('serves', 'The configuration is stored, but this page has not heard that the box serves: most likely because '
      + 'your browser does not know the new certificate yet. Open the admin page by the link below; its first line, '
      + 'the console and lethectl ready say more.', false);
}

// ---- one try ----

async function tryIt() {
  const a = answers(), fault = faultOf(a);
  complain(fault ? fault.text : '', fault && fault.id);
  if (fault)
    return;
  const s = {answers: a, roots: await rootsText(a), box: new Box(claimCode()), adminHost, kept, page, takeSecrets};
  at('steps').replaceChildren();
  at('answers').inert = at('go').disabled = true;
  try {
    const made = await setUp(s);
    at('answers').reset();
    await showEnd(a, made);
  } catch (e) {
    complain(e.message + (s.secrets ? ' What was typed as a secret has left this page: type it again.' : ''));
  } finally {
    wipe(s.secrets?.passphrase);
    at('answers').inert = at('go').disabled = false;
    at('stretched').hidden = true;
  }
}

export async function begin(told) {
  at('setup').hidden = false;
  at('begun').hidden = told.state !== 'open';
  at('has-tpm').hidden = !told.tpm;
  at('has-no-tpm').hidden = told.tpm;
  at('hosts').value = adminHost;
  if (typeof Worker === 'undefined' || !globalThis.crypto?.subtle || !await canSeal()) {
    say('unfit', UNFIT, false);
    at('unfit').hidden = false;
    at('answers').hidden = true;
    return;
  }
  follow();
  at('answers').addEventListener('input', follow);
  at('answers').addEventListener('submit', e => {
    e.preventDefault();
    tryIt();
  });
  addEventListener('beforeunload', e => {
    if (!at('end').hidden || at('go').disabled)
      e.preventDefault();
  });
}
