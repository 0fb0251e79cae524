package io.apprxy.rewrite;

import static org.assertj.core.api.Assertions.assertThat;

import io.undertow.util.HeaderMap;
import io.undertow.util.Headers;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class LegacyCredentialsTest {
  /** NTLM in SPNEGO, and by itself, as clients begin with it. */
  private static final String SPNEGO_NTLM =
      "YEgGBisGAQUFAqA+MDygDjAMBgorBgEEAYI3AgIKoioEKE5UTE1TU1AAAQAAABeCCOIAAAAAAAAAAAAAAAAAAAAABgIAAAAAAA8=";

  private static final String NTLM = "TlRMTVNTUAABAAAABoIIAAAAAAAAAAAAAAAAAAAAAAA=";
  private static final String KERBEROS = "YIICWwYGKwYBBQUCoIICTzCCAkugDTALBgkqhkiG9xIBAgI=";

  @ParameterizedTest
  @ValueSource(
      strings = {"NTLM " + NTLM, "ntlm x", "Negotiate " + KERBEROS, " NEGOTIATE x", "NTLM"})
  void schemesThatHoldForAConnection_areKnown(String credentials) {
    assertThat(LegacyCredentials.bindConnection(authorization(credentials))).isTrue();
    assertThat(LegacyCredentials.bindConnection(authorization("Basic YTpi", credentials))).isTrue();
  }

  @ParameterizedTest
  @ValueSource(strings = {"Basic YTpi", "Bearer Negotiate", "NTLMx y", ""})
  void otherSchemes_holdForARequest(String credentials) {
    assertThat(LegacyCredentials.bindConnection(authorization(credentials))).isFalse();
    assertThat(LegacyCredentials.bindConnection(new HeaderMap())).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Basic YTpi",
        "basic\tYTpi",
        "  BASIC   YTpi",
        "NTLM " + NTLM,
        "Negotiate " + NTLM,
        "negotiate  " + SPNEGO_NTLM,
        "Negotiate no-base64",
      })
  void legacyCredentials_areRemovedFromARequest(String credentials) {
    HeaderMap headers = authorization(credentials);
    LegacyCredentials.removeFromRequest(headers);

    assertThat(headers.contains(Headers.AUTHORIZATION)).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"Bearer x", "Negotiate " + KERBEROS, "Digest username=\"Basic\"", "DPoP x"})
  void otherCredentials_stay(String credentials) {
    HeaderMap headers = authorization(credentials);
    LegacyCredentials.removeFromRequest(headers);

    assertThat(headers.get(Headers.AUTHORIZATION)).containsExactly(credentials);
  }

  @Test
  void credentialsBesideLegacyOnes_goWithThem() {
    HeaderMap headers = authorization("Bearer x", "Basic YTpi");
    LegacyCredentials.removeFromRequest(headers);

    assertThat(headers.contains(Headers.AUTHORIZATION)).isFalse();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "Basic realm=\"a\"                                    |                              | Basic",
        "NTLM                                                | | NTLM",
        "Negotiate                                           | Negotiate | ",
        "Negotiate " + KERBEROS + " | Negotiate " + KERBEROS + " | ",
        "Negotiate " + SPNEGO_NTLM + " | | NTLM",
        "Negotiate, NTLM, Basic realm=\"a, NTLM\", charset=\"UTF-8\" | Negotiate | Basic NTLM",
        "Digest realm=\"x, Basic \\\" y\", nonce = \"1\", Basic realm=b | Digest realm=\"x, Basic \\\" y\", nonce = \"1\" | Basic",
        "Digest realm=a  ,  nonce  =  b                       | Digest realm=a, nonce  =  b | ",
        ", ,basic realm=x,,                                  | | Basic",
        "Bearer realm=\"Basic\", error=\"NTLM\"                | Bearer realm=\"Basic\", error=\"NTLM\" | ",
        "Digest realm=\"x, NTLM                               | | NTLM",
        "Digest realm=\"x\\                                   | | ",
      })
  void offers_areTakenApart(String offer, String kept, String removed) {
    HeaderMap headers = new HeaderMap();
    headers.add(Headers.WWW_AUTHENTICATE, offer);
    Set<String> schemes = LegacyCredentials.removeFromResponse(headers);

    assertThat(String.join(" ", schemes)).isEqualTo(removed == null ? "" : removed);
    if (kept == null) {
      assertThat(headers.contains(Headers.WWW_AUTHENTICATE)).isFalse();
    } else {
      assertThat(headers.get(Headers.WWW_AUTHENTICATE)).containsExactly(kept);
    }
  }

  @Test
  void severalLines_areTakenApart_each() {
    HeaderMap headers = new HeaderMap();
    headers.addAll(
        Headers.WWW_AUTHENTICATE, List.of("Negotiate", "NTLM", "Basic realm=\"x\"", "Bearer"));

    assertThat(LegacyCredentials.removeFromResponse(headers)).containsExactly("Basic", "NTLM");
    assertThat(headers.get(Headers.WWW_AUTHENTICATE)).containsExactly("Negotiate", "Bearer");
  }

  @Test
  void responseWithoutOffers_isLeftAlone() {
    assertThat(LegacyCredentials.removeFromResponse(new HeaderMap())).isEmpty();
  }

  private static HeaderMap authorization(String... credentials) {
    HeaderMap headers = new HeaderMap();
    headers.addAll(Headers.AUTHORIZATION, List.of(credentials));
    return headers;
  }
}
