package io.apprxy.examples;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.stream.Collectors;
import org.openqa.selenium.By;
import org.openqa.selenium.Cookie;
import org.openqa.selenium.OutputType;
import org.openqa.selenium.WebElement;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.chrome.ChromeDriverService;
import org.openqa.selenium.chrome.ChromeOptions;
import org.openqa.selenium.support.ui.ExpectedConditions;
import org.openqa.selenium.support.ui.WebDriverWait;

/** The system's Chromium without a window, with a profile of its own. */
final class Chromium implements AutoCloseable {
  private static final File BROWSER = new File("/usr/bin/chromium");
  private static final File DRIVER = new File("/usr/bin/chromedriver");
  private static final Path SCREENSHOTS = Path.of("target", "screenshots");

  private final ChromeDriver driver;
  private final WebDriverWait wait;

  /**
   * A browser.
   *
   * @param more arguments, such as {@code --host-resolver-rules=…}
   */
  Chromium(Path profile, String... more) {
    if (!BROWSER.canExecute() || !DRIVER.canExecute()) {
      throw new IllegalStateException(
          "This test needs "
              + BROWSER
              + " and "
              + DRIVER
              + ". Get them with: apt-get install chromium chromium-driver");
    }
    ChromeOptions options = new ChromeOptions();
    options.setBinary(BROWSER);
    options.setAcceptInsecureCerts(
        true); // the "Proceed to localhost" of the quickstart; the chain is checked elsewhere
    options.addArguments(
        "--headless",
        "--no-sandbox", // for root, as in a build container
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--window-size=1000,900",
        "--user-data-dir=" + profile);
    options.addArguments(more);
    ChromeDriverService service =
        new ChromeDriverService.Builder().usingDriverExecutable(DRIVER).usingAnyFreePort().build();
    driver = new ChromeDriver(service, options);
    driver.manage().timeouts().pageLoadTimeout(Duration.ofSeconds(30));
    wait = new WebDriverWait(driver, Duration.ofSeconds(30));
  }

  void open(String url) {
    driver.get(url);
  }

  /** As a person who says that a form may be sent again. */
  void reload() {
    driver.navigate().refresh();
  }

  String url() {
    return driver.getCurrentUrl();
  }

  /** Waits for an element, and gives its text. */
  String text(String css) {
    return element(css).getText();
  }

  String page() {
    return driver.findElement(By.tagName("body")).getText();
  }

  void type(String css, String text) {
    element(css).sendKeys(text);
  }

  void click(String css) {
    element(css).click();
  }

  boolean shows(String css) {
    return !driver.findElements(By.cssSelector(css)).isEmpty();
  }

  /** Waits until the browser is at an address that begins so. */
  void awaitUrl(String prefix) {
    wait.until(d -> d.getCurrentUrl() != null && d.getCurrentUrl().startsWith(prefix));
  }

  /** The cookies of the page that is open, those too that scripts cannot see: name to value. */
  Map<String, String> cookies() {
    return driver.manage().getCookies().stream()
        .collect(Collectors.toMap(Cookie::getName, Cookie::getValue));
  }

  /** As when a session ends. */
  void forget(String cookie) {
    driver.manage().deleteCookieNamed(cookie);
  }

  /** In the tab that a link has just opened, which is closed then. */
  void inTheOtherTab(Runnable todo) {
    String here = driver.getWindowHandle();
    wait.until(ExpectedConditions.numberOfWindowsToBe(2));
    for (String tab : driver.getWindowHandles()) {
      if (!tab.equals(here)) {
        driver.switchTo().window(tab);
      }
    }
    todo.run();
    driver.close();
    driver.switchTo().window(here);
  }

  Object script(String script) {
    return driver.executeScript(script);
  }

  /** Keeps a picture of the page under {@code target/screenshots}. */
  void picture(String name) throws IOException {
    Files.createDirectories(SCREENSHOTS);
    Files.write(SCREENSHOTS.resolve(name + ".png"), driver.getScreenshotAs(OutputType.BYTES));
  }

  @Override
  public void close() {
    driver.quit();
  }

  private WebElement element(String css) {
    return wait.until(ExpectedConditions.visibilityOfElementLocated(By.cssSelector(css)));
  }
}
