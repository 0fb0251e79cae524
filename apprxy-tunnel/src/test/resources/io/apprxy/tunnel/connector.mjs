// A connector that has nothing of apprxy in it: Node's own TLS and HTTP/2. It turns its connection around by ALPN
// ("rh2") or by an upgrade ("ptth"), obeys the gateway's orders, and answers requests itself.
//
// Says on standard output what happens, a word at the beginning of each line.
import fs from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import tls from 'node:tls';

const [form, port, pem, misbehaviour] = process.argv.slice(2);
const say = (...words) => console.log(words.join(' '));
const identity = fs.readFileSync(pem);
const trust = {ca: fs.readFileSync(process.env.CA), key: identity, cert: identity, host: 'localhost', port, servername: 'localhost'};

const began = Date.now();
const checkIn = draining => JSON.stringify({
  name: 'node', instance: `node-${process.pid}`, version: '1.0.0', host: 'node.test',
  uptime: Math.floor((Date.now() - began) / 1000), load: 0.25, active: 0, draining,
}) + '\n';

const controls = new Set();

function control(stream) {
  stream.respond({':status': 200, 'content-type': 'application/x-ndjson'});
  stream.write(misbehaviour === 'malformed' ? '{"name":"no check-in"}\n' : checkIn(false));
  const timer = setInterval(() => stream.write(checkIn(false)), 5000);
  controls.add(stream);
  stream.on('error', error => say('control ends:', error.message));
  stream.on('close', () => { clearInterval(timer); controls.delete(stream); });
  say('control');
}

function order(stream, path, body) {
  switch (path) {
    case '/.apprxy/configuration':
      say('configured', JSON.parse(body).applications.map(application => application.id).join(','));
      break;
    case '/.apprxy/refusal':
      say('refused', body);
      break;
    case '/.apprxy/serving':
    case '/.apprxy/replacement':
    case '/.apprxy/leaving':
      say(path);
      break;
    default:
      stream.respond({':status': 404}, {endStream: true});
      return;
  }
  stream.respond({':status': 204}, {endStream: true});
}

function onStream(stream, headers) {
  const {':method': method, ':path': path} = headers;
  if (method === 'GET' && path === '/.apprxy/control') {
    control(stream);
    return;
  }
  const chunks = [];
  stream.on('data', chunk => chunks.push(chunk));
  stream.on('end', () => {
    const body = Buffer.concat(chunks);
    if (path.startsWith('/.apprxy/')) {
      order(stream, path, body.toString());
    } else {
      const assertion = headers['apprxy-assertion'];
      stream.respond({':status': 200, 'x-assertion': assertion === undefined ? 'none' : 'there'});
      stream.end(`node answers ${method} ${path} with ${body.length} bytes`);
    }
  });
}

function turnedAround(socket) {
  say('connected');
  const session = http2.performServerHandshake(socket, {settings: {initialWindowSize: 1 << 20, maxConcurrentStreams: 1000}});
  session.on('stream', onStream);
  session.on('error', error => say('error', error.message));
  session.on('close', () => { say('closed'); process.exit(0); });
  process.stdin.on('end', () => controls.forEach(stream => stream.write(checkIn(true)))); // whoever started it wants it to leave
  process.stdin.resume();
}

if (form === 'rh2') {
  const socket = tls.connect({...trust, ALPNProtocols: ['rh2']}, () => {
    say('alpn', socket.alpnProtocol);
    turnedAround(socket);
  });
  socket.on('error', error => { say('failed', error.message); process.exit(1); });
} else {
  const request = https.request({
    ...trust, agent: false, path: '/.apprxy/connect',
    headers: {Connection: 'Upgrade', Upgrade: 'ptth', ALPN: 'h2'},
  });
  request.on('upgrade', (response, socket, head) => {
    if (head.length) {
      socket.unshift(head);
    }
    turnedAround(socket);
  });
  request.on('response', response => {
    let body = '';
    response.on('data', chunk => { body += chunk; });
    response.on('end', () => { say('refused', response.statusCode, response.headers['content-type'], body); process.exit(1); });
  });
  request.on('error', error => { say('failed', error.message); process.exit(1); });
  request.end();
}
