package io.apprxy.examples;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.GeneralCodingRules.NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS;
import static com.tngtech.archunit.library.GeneralCodingRules.NO_CLASSES_SHOULD_USE_JAVA_UTIL_LOGGING;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.domain.JavaField;
import com.tngtech.archunit.core.domain.JavaMember;
import com.tngtech.archunit.core.domain.JavaMethod;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.domain.JavaType;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;

/**
 * The rules of modules and packages. They are tried here because only this module sees all others.
 */
class ArchitectureTest {
  /**
   * Every package that a module may have: one level deep, named after a stage or a part a user
   * knows.
   */
  private static final Set<String> PACKAGES =
      Set.of(
          "io.apprxy",
          "io.apprxy.route",
          "io.apprxy.balance",
          "io.apprxy.forward",
          "io.apprxy.rewrite",
          "io.apprxy.observe",
          "io.apprxy.admin",
          "io.apprxy.cluster",
          "io.apprxy.auth.oidc",
          "io.apprxy.auth.session",
          "io.apprxy.auth.policy",
          "io.apprxy.auth.sso",
          "io.apprxy.auth.servlet",
          "io.apprxy.tunnel",
          "io.apprxy.examples");

  /**
   * The part of the root package that puts the stages together. The rest of it is the values and
   * contracts that every stage is written against. Both are one package because together they are
   * what a newcomer imports; they are two layers, with all other packages between them, and as such
   * they take part in the search for cycles.
   */
  private static final Set<String> COMPOSITION =
      Set.of(
          "Gateway",
          "BoundConnection",
          "LegacyOffers",
          "Pipeline",
          "Admission",
          "CertificateStage",
          "OpenRequests",
          "Recorder",
          "UndertowExchange",
          "Hygiene",
          "ErrorResponse");

  /** The last hop, which gateway and connector share, and which runs on the server's own types. */
  private static final Set<String> LAST_HOP = Set.of("io.apprxy.forward", "io.apprxy.rewrite");

  /** The documented way to mount a gateway in a server that is there already. */
  private static final String MOUNTING_POINT = "io.apprxy.Gateway.handler()";

  private static final DescribedPredicate<JavaClass> CORE =
      describe(
          "core",
          type -> {
            String name = type.getPackageName();
            return name.startsWith("io.apprxy")
                && Stream.of("auth", "tunnel", "examples")
                    .noneMatch(module -> (name + ".").startsWith("io.apprxy." + module + "."));
          });
  private static final DescribedPredicate<JavaClass> AUTH = resideInAPackage("io.apprxy.auth..");
  private static final DescribedPredicate<JavaClass> TUNNEL =
      resideInAPackage("io.apprxy.tunnel..");
  private static final DescribedPredicate<JavaClass> EXAMPLES =
      resideInAPackage("io.apprxy.examples..");

  private static final JavaClasses ALL =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .importPackages("io.apprxy");
  private static final JavaClasses LIBRARY = ALL.that(DescribedPredicate.not(EXAMPLES));

  @Test
  void modules_areAllSeen() {
    assertThat(Stream.of(CORE, AUTH, TUNNEL, EXAMPLES))
        .noneMatch(module -> ALL.that(module).isEmpty());
  }

  @Test
  void core_knowsNeitherAuthNorTunnel() {
    noClasses().that(CORE).should().dependOnClassesThat(AUTH.or(TUNNEL).or(EXAMPLES)).check(ALL);
  }

  @Test
  void authAndTunnel_doNotKnowEachOther() {
    noClasses().that(AUTH).should().dependOnClassesThat(TUNNEL.or(EXAMPLES)).check(ALL);
    noClasses().that(TUNNEL).should().dependOnClassesThat(AUTH.or(EXAMPLES)).check(ALL);
  }

  @Test
  void packages_areThoseOfTheDesign() {
    assertThat(ALL.stream().map(JavaClass::getPackageName).distinct()).isSubsetOf(PACKAGES);
  }

  @Test
  void packages_areNullMarked() {
    assertThat(
            ALL.stream()
                .map(JavaClass::getPackage)
                .distinct()
                .filter(group -> !group.isAnnotatedWith(NullMarked.class)))
        .isEmpty();
  }

  @Test
  void packages_haveNoCycles() {
    slices().assignedFrom(new Layers()).should().beFreeOfCycles().check(ALL);
  }

  @Test
  void publicSignatures_nameNoTypeOfTheServerOrOfAProtocolLibrary() {
    assertThat(
            LIBRARY.stream()
                .filter(ArchitectureTest::isReachable)
                .flatMap(ArchitectureTest::foreignMentions))
        .isEmpty();
  }

  @Test
  void library_logsThroughItsLoggerOnly() {
    NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS.check(LIBRARY);
    NO_CLASSES_SHOULD_USE_JAVA_UTIL_LOGGING.check(LIBRARY);
  }

  @Test
  void library_neverEndsTheProcessOfItsUser() {
    noClasses().should().callMethod(System.class, "exit", int.class).check(LIBRARY);
    noClasses().should().callMethod(Runtime.class, "halt", int.class).check(LIBRARY);
  }

  @Test
  void library_usesNothingThatOnlyExamplesAndTestsBring() {
    noClasses()
        .should()
        .dependOnClassesThat(resideInAnyPackage("picocli..", "ch.qos.logback.."))
        .check(LIBRARY);
    // the tunnel certifies connectors, for which the JDK has nothing
    noClasses()
        .that(DescribedPredicate.not(TUNNEL))
        .should()
        .dependOnClassesThat(resideInAPackage("org.bouncycastle.."))
        .check(LIBRARY);
  }

  private static boolean isReachable(JavaClass type) {
    return type.getModifiers().contains(JavaModifier.PUBLIC)
        && type.getEnclosingClass().map(ArchitectureTest::isReachable).orElse(true);
  }

  /**
   * What the public or protected members and the declaration of a type mention of other people's
   * types.
   */
  private static Stream<String> foreignMentions(JavaClass type) {
    Stream<String> declaration =
        Stream.concat(type.getSuperclass().stream(), type.getInterfaces().stream())
            .filter(parent -> !LAST_HOP.contains(type.getPackageName()))
            .filter(ArchitectureTest::isForeign)
            .map(parent -> type.getName() + " extends " + parent.getName());
    Stream<String> members =
        type.getMembers().stream()
            .filter(
                member ->
                    member.getModifiers().contains(JavaModifier.PUBLIC)
                        || member.getModifiers().contains(JavaModifier.PROTECTED))
            .filter(member -> !mayNameTypesOfTheServer(member))
            .flatMap(
                member ->
                    mentioned(member)
                        .filter(ArchitectureTest::isForeign)
                        .map(mention -> member.getFullName() + " names " + mention.getName()));
    return Stream.concat(declaration, members);
  }

  private static boolean mayNameTypesOfTheServer(JavaMember member) {
    return member.getFullName().equals(MOUNTING_POINT)
        || LAST_HOP.contains(member.getOwner().getPackageName())
        || implementsTheLastHop(member);
  }

  /** A method that has to be public because it implements one of the last hop's. */
  private static boolean implementsTheLastHop(JavaMember member) {
    return member instanceof JavaMethod method
        && member.getOwner().getAllRawInterfaces().stream()
            .filter(parent -> LAST_HOP.contains(parent.getPackageName()))
            .anyMatch(
                parent ->
                    parent
                        .tryGetMethod(
                            method.getName(),
                            method.getRawParameterTypes().stream()
                                .map(JavaClass::getName)
                                .toArray(String[]::new))
                        .isPresent());
  }

  private static Stream<JavaType> mentioned(JavaMember member) {
    if (member instanceof JavaField field) {
      return Stream.of(field.getType());
    }
    JavaCodeUnit unit = (JavaCodeUnit) member;
    return Stream.concat(
        Stream.of(unit.getReturnType()),
        Stream.concat(unit.getParameterTypes().stream(), unit.getExceptionTypes().stream()));
  }

  private static boolean isForeign(JavaType type) {
    return type.getAllInvolvedRawTypes().stream()
        .map(JavaClass::getPackageName)
        .anyMatch(
            name ->
                name.startsWith("io.undertow")
                    || name.startsWith("org.xnio")
                    || name.startsWith("com.nimbusds")
                    || name.startsWith("org.bouncycastle"));
  }

  /**
   * One slice for each package, and two for the root: its values below all packages, its
   * composition above them.
   */
  private static final class Layers implements SliceAssignment {
    @Override
    public SliceIdentifier getIdentifierOf(JavaClass type) {
      if (!type.getPackageName().equals("io.apprxy")) {
        return SliceIdentifier.of(type.getPackageName());
      }
      String outermost = type.getName().replaceFirst("\\$.*", "").substring("io.apprxy.".length());
      return SliceIdentifier.of(
          COMPOSITION.contains(outermost) ? "io.apprxy (composition)" : "io.apprxy (values)");
    }

    @Override
    public String getDescription() {
      return "packages, the root package in two layers";
    }
  }
}
