import { createServer } from 'node:http';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const keys = createRemoteJWKSet(new URL(process.env.GATEWAY_KEYS)); // https://wiki.example.com/.apprxy/jwks.json
const expected = { issuer: 'https://gateway.example.com', audience: 'wiki', algorithms: ['ES256'] };

createServer(async (request, response) => {
  try {
    const { payload } = await jwtVerify(request.headers['x-apprxy-assertion'] ?? '', keys, expected);
    response.writeHead(200, { 'X-User': payload.sub }).end(`Hello, ${payload.name}\n`);
  } catch {
    response.writeHead(403).end();
  }
}).listen(process.env.PORT, '127.0.0.1');
