package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.KeyUse;
import com.nimbusds.jose.jwk.OctetSequenceKey;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jose.util.Base64URL;
import com.sun.net.httpserver.HttpServer;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.math.BigInteger;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PSSParameterSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tokens made by hand, each by a way in which libraries were deceived before. All have the claims
 * of a genuine one: it is only the signature, and what the header says of it, that is not.
 */
class ForgedTokenIT extends OidcTest {
  private interface Signer {
    byte[] sign(byte[] input) throws GeneralSecurityException;
  }

  // ---- that this test can make genuine ones

  @Test
  void tokenOfTheProvidersOwnKeys_signsIn() throws Exception {
    forge("{\"alg\":\"RS256\",\"kid\":\"rsa\"}", rsa(TestProvider.RSA));
    assertAccepted();
    forge("{\"alg\":\"ES256\",\"kid\":\"ec\"}", ec(TestProvider.EC));
    assertAccepted();
    forge("{\"alg\":\"PS256\"}", pss(TestProvider.RSA));
    assertAccepted();
  }

  // ---- no signature

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"alg\":\"none\"}",
        "{\"alg\":\"None\"}",
        "{\"alg\":\"NONE\"}",
        "{\"alg\":\"nOnE\"}",
        "{\"alg\":\"none\",\"kid\":\"rsa\"}",
        "{\"alg\":\"none\",\"alg\":\"RS256\"}",
        "{\"alg\":\"RS256\",\"alg\":\"none\"}",
        "{\"alg\":\"\"}",
        "{\"alg\":null}",
        "{\"alg\":[\"none\"]}",
        "{}",
        "{\"typ\":\"JWT\"}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\"}",
        "{\"alg\":\"ES256\",\"kid\":\"ec\"}",
        "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}"
      })
  void tokenWithoutSignature_isRefused(String header) throws Exception {
    forge(header, input -> new byte[0]);
    assertRefused();
  }

  /** CVE-2022-21449: a signature of zeros was everybody's. */
  @ParameterizedTest
  @ValueSource(ints = {64, 32, 96, 1, 0, 256})
  void signatureOfZeros_isRefused(int length) throws Exception {
    for (String key : List.of("\"ES256\",\"kid\":\"ec\"", "\"EdDSA\",\"kid\":\"ed\"")) {
      forge("{\"alg\":" + key + "}", input -> new byte[length]);
      assertRefused();
    }
    forge("{\"alg\":\"RS256\",\"kid\":\"rsa\"}", input -> new byte[length]);
    assertRefused();
  }

  /** Numbers that are no signature: r and s of the group's own order, and of one. */
  @Test
  void signatureOutsideTheGroup_isRefused() throws Exception {
    byte[] order = unsigned(Curve.P_256.toECParameterSpec().getOrder());
    byte[] one = unsigned(BigInteger.ONE);
    for (byte[] r : List.of(order, one, new byte[32])) {
      for (byte[] s : List.of(order, one, new byte[32])) {
        forge("{\"alg\":\"ES256\",\"kid\":\"ec\"}", input -> concat(r, s));
        assertRefused();
      }
    }
  }

  /** Written as other libraries write it (ASN.1), which JWS does not. */
  @Test
  void signatureInAnotherForm_isRefused() throws Exception {
    forge("{\"alg\":\"ES256\",\"kid\":\"ec\"}", signer("SHA256withECDSA", TestProvider.EC));
    assertRefused();
  }

  // ---- one algorithm for another

  static Stream<byte[]> formsOfThePublicKeys() throws Exception {
    List<byte[]> forms = new ArrayList<>();
    for (JWK key : List.of(TestProvider.RSA.toPublicJWK(), TestProvider.EC.toPublicJWK())) {
      PublicKey publicKey =
          key instanceof RSAKey rsa ? rsa.toPublicKey() : ((ECKey) key).toPublicKey();
      byte[] der = publicKey.getEncoded();
      String pem =
          "-----BEGIN PUBLIC KEY-----\n"
              + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der)
              + "\n-----END PUBLIC KEY-----";
      forms.add(der);
      forms.add(pem.getBytes(StandardCharsets.US_ASCII));
      forms.add((pem + "\n").getBytes(StandardCharsets.US_ASCII));
      forms.add(key.toJSONString().getBytes(StandardCharsets.UTF_8));
    }
    forms.add(TestProvider.RSA.getModulus().decode());
    forms.add(TestProvider.EC.getX().decode());
    forms.add(TestProvider.edJwk().getDecodedX());
    forms.add(TestProvider.SECRET.getBytes(StandardCharsets.UTF_8));
    forms.add(new byte[1]);
    return forms.stream();
  }

  @ParameterizedTest
  @MethodSource("formsOfThePublicKeys")
  void publicKeyTakenForASecret_isRefused(byte[] secret) throws Exception {
    for (String key : List.of("", ",\"kid\":\"rsa\"", ",\"kid\":\"ec\"", ",\"kid\":\"ed\"")) {
      forge("{\"alg\":\"HS256\"" + key + "}", input -> hmac(secret, input));
      assertRefused();
    }
  }

  /** A set of keys may hold a shared one by mistake, and then it is everybody's. */
  @Test
  void sharedKeyInTheSetOfKeys_isOfNoUse() throws Exception {
    byte[] secret = "a secret that all the world can read".getBytes(StandardCharsets.UTF_8);
    provider.keys =
        List.of(
            new OctetSequenceKey.Builder(secret).keyID("oct").build(),
            TestProvider.RSA,
            TestProvider.EC);
    forge("{\"alg\":\"HS256\",\"kid\":\"oct\"}", input -> hmac(secret, input));
    assertRefused();
    forge("{\"alg\":\"RS256\",\"kid\":\"oct\"}", input -> hmac(secret, input));
    assertRefused();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"alg\":\"ES256\",\"kid\":\"rsa\"}",
        "{\"alg\":\"EdDSA\",\"kid\":\"rsa\"}",
        "{\"alg\":\"PS256\",\"kid\":\"rsa\"}",
        "{\"alg\":\"RS384\",\"kid\":\"rsa\"}",
        "{\"alg\":\"RS512\",\"kid\":\"rsa\"}",
        "{\"alg\":\"RS1\",\"kid\":\"rsa\"}",
        "{\"alg\":\"rs256\",\"kid\":\"rsa\"}",
        "{\"alg\":\"RS256 \",\"kid\":\"rsa\"}",
        "{\"alg\":\"RS256\",\"kid\":\"ec\"}",
        "{\"alg\":\"RS256\",\"kid\":\"ed\"}"
      })
  void signatureUnderTheNameOfAnotherAlgorithmOrKey_isRefused(String header) throws Exception {
    forge(header, rsa(TestProvider.RSA));
    assertRefused();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"alg\":\"RS256\",\"kid\":\"ec\"}",
        "{\"alg\":\"EdDSA\",\"kid\":\"ec\"}",
        "{\"alg\":\"ES384\",\"kid\":\"ec\"}",
        "{\"alg\":\"ES256K\",\"kid\":\"ec\"}",
        "{\"alg\":\"ES256\",\"kid\":\"rsa\"}",
        "{\"alg\":\"ES256\",\"kid\":\"ed\"}"
      })
  void signatureOfACurve_underAnotherName_isRefused(String header) throws Exception {
    forge(header, ec(TestProvider.EC));
    assertRefused();
  }

  @Test
  void keyOfAnotherCurve_isRefused() throws Exception {
    ECKey larger = new ECKeyGenerator(Curve.P_384).keyID("p384").generate();
    provider.keys = List.of(larger, TestProvider.RSA);
    forge("{\"alg\":\"ES256\",\"kid\":\"p384\"}", signer("SHA256withECDSAinP1363Format", larger));
    assertRefused();
  }

  /** RFC 7517 §4.2 and §4.4: what a key is for is up to its owner. */
  @Test
  void keyForAnotherUse_isRefused() throws Exception {
    provider.keys = List.of(new RSAKey.Builder(TestProvider.RSA).keyUse(KeyUse.ENCRYPTION).build());
    forge("{\"alg\":\"RS256\",\"kid\":\"rsa\"}", rsa(TestProvider.RSA));
    assertRefused();
  }

  @Test
  void keyForAnotherAlgorithm_isRefused() throws Exception {
    provider.keys =
        List.of(new RSAKey.Builder(TestProvider.RSA).algorithm(JWSAlgorithm.RS256).build());
    forge("{\"alg\":\"PS256\",\"kid\":\"rsa\"}", pss(TestProvider.RSA));
    assertRefused();
  }

  // ---- the key that the token names, or brings

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"../../../../../../dev/null\"",
        "\"/etc/passwd\"",
        "\"file:///dev/null\"",
        "\"http://127.0.0.1:1/key\"",
        "\"' OR '1'='1\"",
        "\"rsa' UNION SELECT 'x\"",
        "\"rsa|/bin/true\"",
        "\"rsa\\u0000\"",
        "\"rsa \"",
        "\"RSA\"",
        "\"\"",
        "\"${jndi:ldap://127.0.0.1:1/a}\"",
        "\"%72sa\"",
        "[\"rsa\"]",
        "{\"$ne\":\"\"}",
        "0",
        "true"
      })
  void keyIdOfAnotherKind_namesNoKey(String kid) throws Exception {
    for (Signer signer : List.of(rsa(TestProvider.OTHER_RSA), hmacOfNothing())) {
      forge("{\"alg\":\"RS256\",\"kid\":" + kid + "}", signer);
      assertRefused();
    }
  }

  /** Neither does it get into a log whole. */
  @Test
  void keyIdWithoutEnd_isRefused_inFewWords() throws Exception {
    forge(
        "{\"alg\":\"RS256\",\"kid\":\"" + "k\\n".repeat(4_000) + "\"}",
        rsa(TestProvider.OTHER_RSA));
    assertThatThrownBy(() -> browser.signIn(provider, "/"))
        .isInstanceOf(GatewayException.class)
        .hasMessageNotContainingAny("\n", "\r")
        .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(400));
    assertSignedOut();
  }

  @Test
  void keyAtAnAddressThatTheTokenNames_isNotFetched() throws Exception {
    AtomicInteger fetches = new AtomicInteger();
    HttpServer attackers =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    attackers.createContext(
        "/",
        exchange -> {
          fetches.incrementAndGet();
          exchange.sendResponseHeaders(404, -1);
          exchange.close();
        });
    attackers.start();
    try {
      String url = "http://127.0.0.1:" + attackers.getAddress().getPort() + "/keys";
      for (String name : List.of("jku", "x5u")) {
        for (String kid : List.of("", ",\"kid\":\"rsa\"", ",\"kid\":\"other\"")) {
          forge(
              "{\"alg\":\"RS256\",\"" + name + "\":\"" + url + "\"" + kid + "}",
              rsa(TestProvider.OTHER_RSA));
          assertRefused();
        }
      }
      assertThat(fetches).hasValue(0);
    } finally {
      attackers.stop(0);
    }
  }

  @Test
  void keyThatTheTokenBrings_isNotBelieved() throws Exception {
    String jwk = TestProvider.OTHER_RSA.toPublicJWK().toJSONString();
    String withOurId =
        new RSAKey.Builder(TestProvider.OTHER_RSA)
            .keyID("rsa")
            .build()
            .toPublicJWK()
            .toJSONString();
    for (String header :
        List.of(
            "\"jwk\":" + jwk,
            "\"kid\":\"other\",\"jwk\":" + jwk,
            "\"kid\":\"rsa\",\"jwk\":" + withOurId,
            "\"x5c\":[\"" + Base64.getEncoder().encodeToString(new byte[] {0x30, 0}) + "\"]",
            "\"x5t#S256\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"",
            "\"x5t\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAA\"")) {
      forge("{\"alg\":\"RS256\"," + header + "}", rsa(TestProvider.OTHER_RSA));
      assertRefused();
    }
  }

  /** RFC 7797: what is signed is not what is read. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"b64\":false,\"crit\":[\"b64\"]",
        "\"b64\":false",
        "\"crit\":[]",
        "\"crit\":[\"exp\"],\"exp\":1",
        "\"crit\":[\"alg\"]",
        "\"crit\":\"x\"",
        "\"crit\":[\"x\",\"x\"],\"x\":1"
      })
  void extensionThatChangesWhatIsSigned_isRefused(String extension) throws Exception {
    // The signature is of other claims, in the form that such an extension would have signed.
    forge(
        "{\"alg\":\"RS256\",\"kid\":\"rsa\"," + extension + "}",
        input -> rsa(TestProvider.RSA).sign("{\"sub\":\"4711\"}".getBytes(StandardCharsets.UTF_8)));
    assertRefused();
  }

  // ---- forms

  @ParameterizedTest
  @ValueSource(
      strings = {
        "%s.%s.%s.",
        ".%s.%s.%s",
        "%s.%s.%s.%s.%s",
        " %s.%s.%s",
        "%s..%3$s",
        "{\"payload\":\"%2$s\",\"protected\":\"%1$s\",\"signature\":\"%3$s\"}"
      })
  void tokenInAnotherForm_isRefused(String form) throws Exception {
    provider.token =
        token -> {
          String[] parts = token.split("\\.");
          return form.formatted(parts[0], parts[1], parts[2], parts[1], parts[2]);
        };
    if (form.startsWith(" ")) {
      assertAccepted(); // which is the same to every reader of it
    } else {
      assertRefused();
    }
  }

  /** Of a member that is there twice, two readers take two values. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"sub\":\"4711\",\"sub\":\"admin\"",
        "\"aud\":\"other\",\"aud\":\"apprxy test\"",
        "\"sub\":\"4711\",\"s\\u0075b\":\"admin\""
      })
  void claimThatIsThereTwice_isNeverTakenForTwo(String twice) throws Exception {
    provider.token =
        token -> {
          String claims = Base64URL.from(token.split("\\.")[1]).decodeToString();
          return signed(
              "{\"alg\":\"RS256\",\"kid\":\"rsa\"}",
              claims.substring(0, claims.length() - 1) + "," + twice + "}",
              rsa(TestProvider.RSA));
        };
    assertRefused();
  }

  @Test
  void tokenOfAnEarlierSignIn_isRefused() throws Exception {
    AtomicReference<String> first = new AtomicReference<>();
    provider.token =
        token -> {
          first.compareAndSet(null, token);
          return first.get();
        };
    assertAccepted();
    assertRefused();
  }

  // ---- sizes

  @Test
  void tokenBeyondAllMeasure_isRefused() throws Exception {
    provider.claims = claims -> claims.put("filling", "x".repeat(600_000));
    assertRefused();
  }

  @ParameterizedTest
  @ValueSource(strings = {"[", "{\"a\":"})
  void claimsNestedWithoutEnd_areRefused(String nesting) throws Exception {
    for (int depth : List.of(2_000, 60_000)) {
      String end = (nesting.equals("[") ? "]" : "}").repeat(depth);
      provider.token =
          token -> {
            String claims = Base64URL.from(token.split("\\.")[1]).decodeToString();
            return signed(
                "{\"alg\":\"RS256\",\"kid\":\"rsa\"}",
                claims.substring(0, claims.length() - 1)
                    + ",\"deep\":"
                    + nesting.repeat(depth)
                    + "1"
                    + end
                    + "}",
                rsa(TestProvider.RSA));
          };
      assertRefused();
    }
  }

  @Test
  void setOfKeysBeyondAllMeasure_isRefused() throws Exception {
    List<JWK> many = new ArrayList<>();
    for (int i = 0; i < 3_000; i++) {
      many.add(new RSAKey.Builder(TestProvider.RSA.toPublicJWK()).keyID("k" + i).build());
    }
    provider.keys = many;
    assertRefused();
  }

  /** As many keys as fit: a token that names none is tried with each, and not for long. */
  @Test
  void setOfManyKeys_isSearched_forATokenThatNamesNone() throws Exception {
    List<JWK> many = new ArrayList<>();
    for (int i = 0; i < 1_000; i++) {
      many.add(new RSAKey.Builder(TestProvider.OTHER_RSA.toPublicJWK()).keyID("k" + i).build());
    }
    provider.keys = many;
    forge("{\"alg\":\"RS256\"}", rsa(TestProvider.RSA));
    assertRefused();
    many.add(TestProvider.RSA);
    start(); // what was fetched would be asked for again in half a minute only
    provider.keys = many;
    forge("{\"alg\":\"RS256\"}", rsa(TestProvider.RSA));
    assertAccepted();
  }

  // ---- parts

  private void forge(String header, Signer signer) {
    provider.token =
        token -> {
          String claims = Base64URL.from(token.split("\\.")[1]).decodeToString();
          return signed(header, claims, signer);
        };
  }

  private static String signed(String header, String claims, Signer signer) {
    String input = Base64URL.encode(header) + "." + Base64URL.encode(claims);
    try {
      return input + "." + Base64URL.encode(signer.sign(input.getBytes(StandardCharsets.US_ASCII)));
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  private void assertAccepted() throws Exception {
    browser.cookies.clear();
    browser.signIn(provider, "/");
    assertThat(browser.open("/").reachedApplication()).isTrue();
  }

  private void assertRefused() throws Exception {
    browser.cookies.clear();
    int before = provider.tokenRequests.get();
    assertThatThrownBy(() -> browser.signIn(provider, "/"))
        .isInstanceOfSatisfying(
            GatewayException.class,
            refusal ->
                assertThat(refusal.code())
                    .isIn(ErrorCode.PROVIDER_INVALID, ErrorCode.PROVIDER_UNAVAILABLE));
    assertThat(provider.tokenRequests.get()).as("the token was looked at").isGreaterThan(before);
    assertThat(browser.cookies).doesNotContainKey(SESSION);
    assertSignedOut();
  }

  private static Signer rsa(RSAKey key) {
    return input -> sign("SHA256withRSA", privateKey(key), input);
  }

  private static Signer pss(RSAKey key) {
    return input -> {
      Signature signature = Signature.getInstance("RSASSA-PSS");
      signature.setParameter(
          new PSSParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, 32, 1));
      signature.initSign(privateKey(key));
      signature.update(input);
      return signature.sign();
    };
  }

  private static Signer ec(ECKey key) {
    return signer("SHA256withECDSAinP1363Format", key);
  }

  private static Signer signer(String algorithm, ECKey key) {
    return input -> {
      try {
        return sign(algorithm, key.toECPrivateKey(), input);
      } catch (JOSEException e) {
        throw new GeneralSecurityException(e);
      }
    };
  }

  private static Signer hmacOfNothing() {
    return input -> hmac(new byte[1], input);
  }

  private static PrivateKey privateKey(RSAKey key) throws GeneralSecurityException {
    try {
      return key.toPrivateKey();
    } catch (JOSEException e) {
      throw new GeneralSecurityException(e);
    }
  }

  private static byte[] sign(String algorithm, PrivateKey key, byte[] input)
      throws GeneralSecurityException {
    Signature signature = Signature.getInstance(algorithm);
    signature.initSign(key);
    signature.update(input);
    return signature.sign();
  }

  private static byte[] hmac(byte[] secret, byte[] input) throws GeneralSecurityException {
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(new SecretKeySpec(secret, "HmacSHA256"));
    return mac.doFinal(input);
  }

  private static byte[] unsigned(BigInteger number) {
    byte[] bytes = new byte[32];
    byte[] all = number.toByteArray();
    int length = Math.min(32, all.length);
    System.arraycopy(all, all.length - length, bytes, 32 - length, length);
    return bytes;
  }

  private static byte[] concat(byte[] first, byte[] second) {
    byte[] both = Arrays.copyOf(first, first.length + second.length);
    System.arraycopy(second, 0, both, first.length, second.length);
    return both;
  }
}
