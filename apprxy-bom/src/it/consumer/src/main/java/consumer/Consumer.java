package consumer;

import io.apprxy.Application;
import io.apprxy.Gateway;

final class Consumer {
  private Consumer() {}

  public static void main(String[] args) {
    Application wiki =
        Application.builder("wiki")
            .externalUrl("https://localhost:8443/")
            .internalUrl("http://127.0.0.1:8080/")
            .build();
    Gateway.builder().port(8443).publish(wiki).build().start();
  }
}
