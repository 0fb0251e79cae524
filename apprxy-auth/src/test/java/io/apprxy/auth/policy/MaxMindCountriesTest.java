package io.apprxy.auth.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MaxMindCountriesTest {
  @TempDir Path folder;
  private Path file;

  @BeforeEach
  void write() throws Exception {
    file = folder.resolve("country.mmdb");
    Files.write(
        file,
        new CountryDatabase()
            .country("192.0.2.0/24", "FR")
            .country("198.51.100.0/25", "DE")
            .country("2001:db8:1::/48", "JP")
            .value("203.0.113.0/24", Map.of("continent", Map.of("code", "EU")))
            .value("203.0.114.0/24", Map.of("country", Map.of("iso_code", "fr")))
            .value("203.0.115.0/24", Map.of("country", "FR"))
            .bytes());
  }

  @ParameterizedTest
  @CsvSource({
    "192.0.2.1, FR",
    "::ffff:192.0.2.1, FR",
    "198.51.100.127, DE",
    "198.51.100.128, ZZ",
    "2001:db8:1::7, JP",
    "2001:db8:2::7, ZZ",
    "127.0.0.1, ZZ",
    "::1, ZZ",
    "203.0.113.1, ZZ",
    "203.0.114.1, ZZ",
    "203.0.115.1, ZZ"
  })
  void country_isThatOfTheNetwork_orUnknown(String address, String country) throws Exception {
    assertThat(MaxMindCountries.open(file).country(InetAddress.getByName(address)))
        .isEqualTo(country);
  }

  @Test
  void file_thatChanged_isReadAgain() throws Exception {
    MaxMindCountries countries = MaxMindCountries.open(file);
    InetAddress address = InetAddress.getByName("192.0.2.1");
    assertThat(countries.reload()).isFalse();

    Files.write(file, new CountryDatabase().country("192.0.2.0/24", "IT").bytes());
    Files.setLastModifiedTime(file, FileTime.fromMillis(0));

    assertThat(countries.country(address)).isEqualTo("FR");
    assertThat(countries.reload()).isTrue();
    assertThat(countries.country(address)).isEqualTo("IT");
  }

  @Test
  void file_thatIsNoDatabase_isRefused_andTheOneFromBeforeStays() throws Exception {
    MaxMindCountries countries = MaxMindCountries.open(file);
    Files.writeString(file, "no database");

    assertThatThrownBy(countries::reload)
        .isInstanceOf(IOException.class)
        .hasMessageContaining("no MaxMind database");
    assertThat(countries.country(InetAddress.getByName("192.0.2.1"))).isEqualTo("FR");
    assertThatThrownBy(() -> MaxMindCountries.open(file)).isInstanceOf(IOException.class);
    assertThatThrownBy(() -> MaxMindCountries.open(folder.resolve("none")))
        .isInstanceOf(IOException.class);
  }
}
