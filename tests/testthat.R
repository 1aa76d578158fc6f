library(testthat)
library(anndataoom)

test_check("anndataoom")
