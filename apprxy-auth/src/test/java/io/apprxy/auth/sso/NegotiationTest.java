package io.apprxy.auth.sso;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

/** What is taken for an offer to negotiate (RFC 9110 §11.6.1, RFC 4559 §4). */
class NegotiationTest {
  @Test
  void offers_areFound_inAnyCase_andAmongOthers() {
    assertThat(Negotiation.offers(List.of("Negotiate"))).containsExactly("");
    assertThat(Negotiation.offers(List.of("negotiate oYG="))).containsExactly("oYG=");
    assertThat(Negotiation.offers(List.of("Basic realm=\"x\", Negotiate, NTLM")))
        .containsExactly("");
    assertThat(Negotiation.offers(List.of("Negotiate oYG=, Basic realm=\"x\"", "NEGOTIATE")))
        .containsExactly("oYG=", "");
  }

  @Test
  void others_areNone() {
    assertThat(Negotiation.offers(List.of("NTLM", "Negotiated", "XNegotiate", "", "Basic x=y")))
        .isEmpty();
  }
}
