measure <- function(x) x
