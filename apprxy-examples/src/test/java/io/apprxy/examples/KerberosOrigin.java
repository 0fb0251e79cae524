package io.apprxy.examples;

import io.undertow.Handlers;
import io.undertow.Undertow;
import io.undertow.UndertowOptions;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.security.PrivilegedExceptionAction;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import javax.security.auth.Subject;
import javax.security.auth.login.AppConfigurationEntry;
import javax.security.auth.login.Configuration;
import javax.security.auth.login.LoginContext;
import org.ietf.jgss.GSSContext;
import org.ietf.jgss.GSSCredential;
import org.ietf.jgss.GSSException;
import org.ietf.jgss.GSSManager;
import org.ietf.jgss.Oid;

/**
 * An origin in Java that takes tickets for its service, by the JDK's GSS-API, and that a test can
 * have refuse some, or prove itself with something else. Says who asks, and what they sent.
 */
final class KerberosOrigin implements AutoCloseable {
  private static final HttpString CHALLENGE = Headers.WWW_AUTHENTICATE;

  /** What came: method, user, body. */
  final List<String> served = new CopyOnWriteArrayList<>();

  /** So many requests are answered with 401 whatever they carry. */
  final AtomicInteger refusing = new AtomicInteger();

  final AtomicInteger asked = new AtomicInteger();

  /** The connections by which requests came with a ticket, and without. */
  final Set<Object> withTickets = ConcurrentHashMap.newKeySet();

  final Set<Object> without = ConcurrentHashMap.newKeySet();

  /** Says that it takes a connection for a user's, as some servers do. */
  volatile boolean persistent;

  /** What becomes of the proof; null is none. */
  volatile UnaryOperator<String> proof = UnaryOperator.identity();

  private final Subject subject;
  private final GSSCredential credential;
  private final Undertow server;

  KerberosOrigin(Path keytab, String principal) throws Exception {
    AppConfigurationEntry entry =
        new AppConfigurationEntry(
            "com.sun.security.auth.module.Krb5LoginModule",
            AppConfigurationEntry.LoginModuleControlFlag.REQUIRED,
            Map.of(
                "useKeyTab", "true",
                "keyTab", keytab.toString(),
                "principal", principal,
                "isInitiator", "false",
                "doNotPrompt", "true",
                "storeKey", "true"));
    LoginContext login =
        new LoginContext(
            "origin",
            new Subject(),
            null,
            new Configuration() {
              @Override
              public AppConfigurationEntry[] getAppConfigurationEntry(String name) {
                return new AppConfigurationEntry[] {entry};
              }
            });
    login.login();
    subject = login.getSubject();
    credential =
        Subject.doAs(
            subject,
            (PrivilegedExceptionAction<GSSCredential>)
                () ->
                    GSSManager.getInstance()
                        .createCredential(
                            null,
                            GSSCredential.INDEFINITE_LIFETIME,
                            new Oid[] {new Oid("1.3.6.1.5.5.2"), new Oid("1.2.840.113554.1.2.2")},
                            GSSCredential.ACCEPT_ONLY));
    server =
        Undertow.builder()
            .addHttpListener(0, "127.0.0.1")
            .setServerOption(UndertowOptions.ENABLE_HTTP2, true)
            .setWorkerThreads(16)
            .setHandler(exchange -> exchange.dispatch(() -> answer(exchange)))
            .build();
    server.start();
  }

  String url() {
    return "http://127.0.0.1:"
        + ((InetSocketAddress) server.getListenerInfo().get(0).getAddress()).getPort()
        + "/";
  }

  private void answer(HttpServerExchange exchange) {
    asked.incrementAndGet();
    String credentials = exchange.getRequestHeaders().getFirst(Headers.AUTHORIZATION);
    (credentials == null ? without : withTickets).add(exchange.getConnection());
    if (persistent) {
      exchange.getResponseHeaders().put(new HttpString("Persistent-Auth"), "true");
    }
    boolean refuses = refusing.getAndUpdate(left -> Math.max(0, left - 1)) > 0;
    String user = refuses || credentials == null ? null : accept(exchange, credentials);
    if (user == null) {
      exchange.setStatusCode(401);
      exchange.getResponseHeaders().put(CHALLENGE, "Negotiate");
      exchange.getResponseSender().send("who are you?");
      return;
    }
    if (exchange.getRequestPath().equals("/ws")) {
      try {
        Handlers.websocket(
                (upgrade, channel) ->
                    io.undertow.websockets.core.WebSockets.sendText("hello " + user, channel, null))
            .handleRequest(exchange);
      } catch (Exception e) {
        exchange.setStatusCode(500).endExchange();
      }
      return;
    }
    exchange
        .getRequestReceiver()
        .receiveFullString(
            (request, body) -> {
              served.add(exchange.getRequestMethod() + " " + user + " " + body);
              exchange.getResponseSender().send("user " + user);
            });
  }

  /** The user, or null if the token is not taken. */
  private String accept(HttpServerExchange exchange, String credentials) {
    try {
      byte[] token = Base64.getDecoder().decode(credentials.replaceFirst("(?i)^Negotiate ", ""));
      return Subject.doAs(
          subject,
          (PrivilegedExceptionAction<String>)
              () -> {
                GSSContext context = GSSManager.getInstance().createContext(credential);
                try {
                  byte[] answer = context.acceptSecContext(token, 0, token.length);
                  String proven =
                      answer == null
                          ? null
                          : proof.apply(Base64.getEncoder().encodeToString(answer));
                  if (proven != null) {
                    exchange.getResponseHeaders().put(CHALLENGE, "Negotiate " + proven);
                  }
                  return context.getSrcName().toString();
                } finally {
                  context.dispose();
                }
              });
    } catch (java.security.PrivilegedActionException | IllegalArgumentException e) {
      if (!(e.getCause() instanceof GSSException)) {
        throw new IllegalStateException(e);
      }
      return null;
    }
  }

  @Override
  public void close() {
    server.stop();
  }
}
