/** Access events and meters. */
@NullMarked
package io.apprxy.observe;

import org.jspecify.annotations.NullMarked;
