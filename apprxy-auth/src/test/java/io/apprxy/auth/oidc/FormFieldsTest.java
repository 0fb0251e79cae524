package io.apprxy.auth.oidc;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.auth.oidc.FormFields.Field;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FormFieldsTest {
  @Test
  void fields_keepTheirOrder_alsoWhereANameComesTwice() {
    assertThat(FormFields.parse("a=1&b=2&a=3"))
        .containsExactly(new Field("a", "1"), new Field("b", "2"), new Field("a", "3"));
  }

  @Test
  void escapes_areDecoded() {
    assertThat(FormFields.parse("n%C3%A4me=%E2%82%AC+%22%26%0D%0A%F0%9F%98%80&_charset_=UTF-8"))
        .containsExactly(
            new Field("näme", "€ \"&\r\n\uD83D\uDE00"), new Field("_charset_", "UTF-8"));
  }

  /** What is replayed otherwise than it was sent would be another form. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "a",
        "=a",
        "a=1&",
        "a=1&&b=2",
        "a=%",
        "a=%4",
        "a=%zz",
        "a=%41", // A, which nobody escapes
        "a=%e2%82%ac", // in lower case
        "a=%E4", // ISO 8859-1
        "a=%ED%A0%80", // half a pair
        "a=b=c",
        "a=~",
        "a=%20",
        "a=<b>",
        "a=\u00e4",
        "a=%00",
        "a=%0A",
        "a=%0D",
        "a%0D=b",
        "_charset_=ISO-8859-1",
        "_CHARSET_="
      })
  void body_thatNoBrowserWouldSendAgain_isNone(String body) {
    assertThat(FormFields.parse(body)).isNull();
  }

  @Test
  void fields_areBounded() {
    assertThat(FormFields.parse("a=1&".repeat(999) + "a=1")).hasSize(1000);
    assertThat(FormFields.parse("a=1&".repeat(1000) + "a=1")).isNull();
  }

  @Test
  void valueOfAField_isInNoLog() {
    assertThat(new Field("password", "wonderland").toString()).isEqualTo("password");
  }
}
