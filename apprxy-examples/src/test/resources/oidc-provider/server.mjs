// An OpenID provider for integration tests: node server.mjs, with its settings as JSON in the environment.
// Prints its port. Takes any client certificate, and compares the one that a client is registered with.
import https from 'node:https';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Provider } from 'oidc-provider';

const settings = JSON.parse(process.env.PROVIDER);
const users = {
  alice: { password: 'wonderland', name: 'Alice Ångström', email: 'alice@example.com', groups: ['staff'] },
  bob: { password: 'builder', name: 'Bob Builder', email: 'bob@example.com', groups: ['guests'] },
};
const client = (id, method, more) => ({
  client_id: id,
  token_endpoint_auth_method: method,
  redirect_uris: settings.redirectUris,
  post_logout_redirect_uris: settings.postLogoutRedirectUris,
  response_types: ['code'],
  grant_types: ['authorization_code', 'refresh_token'],
  ...more,
});
const secret = (id) => ({ client_secret: `secret-of-${id}` });

const server = https.createServer({
  pfx: readFileSync(settings.keyStore),
  passphrase: settings.passphrase,
  requestCert: true,
  rejectUnauthorized: false,
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const port = server.address().port;

const provider = new Provider(`https://127.0.0.1:${port}`, {
  clients: [
    client('gateway-basic', 'client_secret_basic', {
      ...secret('gateway-basic'),
      backchannel_logout_uri: settings.backChannel,
      backchannel_logout_session_required: true,
    }),
    client('gateway-post', 'client_secret_post', secret('gateway-post')),
    client('gateway-key', 'private_key_jwt', { jwks: settings.jwks, token_endpoint_auth_signing_alg: 'PS256' }),
    {
      client_id: 'native',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1/done'], // with any port: RFC 8252 §7.3
      response_types: ['code'],
      grant_types: ['authorization_code'],
    },
    client('gateway-tls', 'tls_client_auth', { tls_client_auth_subject_dn: 'CN=gateway' }),
  ],
  cookies: { keys: [settings.passphrase] },
  fetch: (url, { dispatcher, ...options }) => fetch(url, options), // without its guard against loopback addresses
  claims: {
    openid: ['sub', 'groups'],
    profile: ['name', 'preferred_username'],
    email: ['email', 'email_verified'],
  },
  conformIdTokenClaims: false,
  clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt', 'tls_client_auth'],
  pkce: { required: () => true },
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    claimsParameter: { enabled: true },
    requestObjects: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, resource) => ({ audience: resource, scope: 'read', accessTokenFormat: 'jwt' }),
    },
    revocation: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: async (ctx, form) => {
        ctx.body = `<html><body>${form}<button form="op.logoutForm" name="logout" value="yes">Yes</button></body></html>`;
      },
    },
    mTLS: {
      enabled: true,
      tlsClientAuth: true,
      getCertificate: (ctx) => certificate(ctx)?.toString(),
      certificateAuthorized: (ctx) => certificate(ctx)?.fingerprint256 === settings.fingerprint,
      certificateSubjectMatches: (ctx, property, expected) =>
        property === 'tls_client_auth_subject_dn' && certificate(ctx)?.subject === expected,
    },
  },
  acrValues: ['urn:test:pwd', 'urn:test:mfa'],
  extraTokenClaims: (ctx, token) => ({
    acr: ctx.oidc.entities.AuthorizationCode?.acr,
    auth_time: ctx.oidc.entities.AuthorizationCode?.authTime,
    preferred_username: token.accountId,
    groups: users[token.accountId]?.groups,
  }),
  interactions: { url: (ctx, interaction) => `/sign-in/${interaction.uid}` },
  issueRefreshToken: async () => true,
  findAccount: async (ctx, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, preferred_username: id, email_verified: true, ...users[id], password: undefined }),
  }),
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope('openid profile email offline_access');
    grant.addOIDCClaims(['acr', 'acrs', 'groups']);
    if (ctx.oidc.params.resource) grant.addResourceScope(ctx.oidc.params.resource, 'read');
    await grant.save();
    return grant;
  },
  ttl: { AccessToken: 300, IdToken: 300, Session: 3600, Grant: 3600, Interaction: 600, RefreshToken: 3600 },
});
provider.on('server_error', (ctx, error) => console.error(error));
provider.on('backchannel.error', (ctx, error) => console.error(error));
for (const event of ['authorization.error', 'grant.error', 'pushed_authorization_request.error']) {
  provider.on(event, (ctx, error) => console.error(event, error.message, error.error_description ?? '', error.error_detail ?? ''));
}

function certificate(ctx) {
  const raw = ctx.req.socket.getPeerCertificate()?.raw;
  return raw && new X509Certificate(raw);
}

const callback = provider.callback();
server.on('request', async (request, response) => {
  const interaction = /^\/sign-in\/[\w-]+$/.exec(request.url);
  if (!interaction) {
    callback(request, response);
    return;
  }
  const form = new URLSearchParams(request.method === 'POST' ? (await request.toArray()).join('') : '');
  const name = form.get('username');
  if (Object.hasOwn(users, name ?? '') && users[name].password === form.get('password')) {
    await provider.interactionFinished(request, response, {
      login: { accountId: name, remember: true, acr: form.get('code') === '123456' ? 'urn:test:mfa' : 'urn:test:pwd' },
      consent: {}, // native clients have to ask for it
    });
    return;
  }
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  response.end(`<html><body><form id="sign-in" method="post" action="${interaction[0]}">
    <input name="username" autofocus><input name="password" type="password"><input name="code"><button>Sign in</button></form></body></html>`);
});
console.log(port);
